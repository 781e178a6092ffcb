"""How much memory a text pass may take, and what each part of the prompts keeps for backward.

Time is in forward passes. Memory is per row and layer, in float32 values per unit of width.

| keeps | time | memory | what is stored |
|---|---|---|---|
| everything | 2 | 10 (float32), 6 (bfloat16) | what autograd saves |
| blocks | 2⅔ | 1 | each block's input; backward recomputes the block, except its last product (a third of it) |
| nothing | 3 | 0 | the packed rows; backward recomputes all blocks |

Values and gradients do not depend on it. Memory goes first where it saves most recomputation per byte: to block inputs
for all parts, then to everything for as many parts as possible. Those come last, because backward starts with them and
has freed them when it reaches the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

EVERYTHING, BLOCKS, NOTHING = "everything", "blocks", "nothing"


@dataclass(frozen=True)
class RowCost:
    """Bytes per row of a text tower.

    everything, blocks, nothing: kept until backward. working: while a block runs, forward or backward.
    """

    everything: int
    blocks: int
    nothing: int
    working: int

    @staticmethod
    def of(width: int, layers: int, dtype: torch.dtype) -> "RowCost":
        """The residual stream is float32, all else in `dtype`; tests/backbones/text/test_memory.py measures it."""
        size = dtype.itemsize
        # inputs of both norms; q, k, v; attention's output; the MLP's hidden layer
        block = width * (2 * 4 + (3 + 1 + 4) * size)
        return RowCost(layers * block, layers * width * 4, width * 4, width * (3 * 4 + 20 * size))


def plan(rows: Sequence[int], cost: "RowCost", budget: int) -> list[str]:
    """What each part keeps, given its rows; a later part never keeps less than an earlier one.

    The working memory of the largest part is set aside first; a budget too small even for that is exceeded.
    """
    left = budget - max(rows, default=0) * cost.working - sum(rows) * cost.nothing
    kept = [NOTHING] * len(rows)
    for keep, before, extra in (
        (BLOCKS, NOTHING, cost.blocks - cost.nothing),
        (EVERYTHING, BLOCKS, cost.everything - cost.blocks),
    ):
        for i in reversed(range(len(rows))):
            if kept[i] != before or rows[i] * extra > left:
                break
            kept[i], left = keep, left - rows[i] * extra
    return kept
