"""How much memory a text pass may take, and what of it to keep for the backward pass.

What a part of the prompts keeps; its time, where a forward pass takes 1; its memory a row and layer, in widths:

| keeps | time | memory | |
|---|---|---|---|
| everything | 2 | 9 to 10 | what autograd saves |
| blocks | 2⅔ | 1 | each block's input; it is run again, but for its last product, a third of it |
| nothing | 3 | 0 | the rows that went in; all blocks are run again |

Nothing of this changes a value or a gradient: a part is run again just as it was. The memory buys first what costs
least a second saved: block inputs for all parts, then everything for as many as it reaches. Those come last, as
backward begins with them and has freed them when it comes to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

EVERYTHING, BLOCKS, NOTHING = "everything", "blocks", "nothing"


@dataclass(frozen=True)
class RowCost:
    """Bytes that one row of a text tower takes.

    everything, blocks, nothing: kept until backward. working: while a block runs, forward or backward.
    """

    everything: int
    blocks: int
    nothing: int
    working: int

    @staticmethod
    def of(width: int, layers: int, dtype: torch.dtype) -> RowCost:
        """The residual stream is float32, all else in `dtype`; tests/backbones/text/test_memory.py measures it."""
        size = dtype.itemsize
        # inputs of both norms; q, k, v; attention's output; the wide layer
        block = width * (2 * 4 + (3 + 1 + 4) * size)
        return RowCost(layers * block, layers * width * 4, width * 4, width * (3 * 4 + 20 * size))


def plan(rows: Sequence[int], cost: RowCost, budget: int) -> list[str]:
    """What each part keeps, given its rows: in order, never more before than after.

    The working memory of the largest part is set aside first; a budget too small even for that is overdrawn.
    """
    left = budget - max(rows, default=0) * cost.working - sum(rows) * cost.nothing
    kept = [NOTHING] * len(rows)
    for keep, before, bytes_now, bytes_before in (
        (BLOCKS, NOTHING, cost.blocks, cost.nothing),
        (EVERYTHING, BLOCKS, cost.everything, cost.blocks),
    ):
        for i in reversed(range(len(rows))):
            price = rows[i] * (bytes_now - bytes_before)
            if kept[i] != before or price > left:
                break
            kept[i], left = keep, left - price
    return kept
