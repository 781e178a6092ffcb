"""How far the parameters of a text tower moved, part by part and by kind of tensor (ContCoOp, Fig. 2b).

With θ the old scalars of a group and θ' the new ones:

    absolute = mean |θ' − θ|        relative = Σ |θ' − θ| / Σ |θ|        relative_l2 = ‖θ' − θ‖₂ / ‖θ‖₂

The paper says "average absolute and relative change" and no more, so these are our definitions. The mean of
|θ' − θ| / |θ| is left out: the few scalars that happen to lie near 0 would decide it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clipcompat.backbones.text.parts import check_same_shape, part_of

ALL = "all"
EMBEDDINGS = "embeddings"


@dataclass(frozen=True)
class ParameterChange:
    """One group of scalars.

    part: "embeddings" (token table and positions), "block 1" …, "head" (ln_final and projection).
    kind: "all", or one kind of tensor of that part (see `part_of`). scalars: how many there are.
    absolute, relative, relative_l2: see the module's docstring; relative ones are None where all of θ is 0.

    Gains of LayerNorm lie near 1 and are few. They weigh little in a block's mean, so look at their kind too.
    """

    part: str
    kind: str
    scalars: int
    absolute: float
    relative: float | None
    relative_l2: float | None


def parameter_changes(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> tuple[ParameterChange, ...]:
    """Every part from input to output: all of it, then each of its kinds.

    old, new: text towers' tensors by name (`Backbone.text_state`).

    Raises:
        ConfigError: the towers differ in shape.
    """
    check_same_shape(old, new)
    sums: dict[tuple[str, str], Tensor] = {}
    for name, before in old.items():
        part, kind = part_of(name)
        part = EMBEDDINGS if part in ("tokens", "positions") else part
        for group in ((part, ALL), (part, kind)):
            sums[group] = sums.get(group, torch.zeros(5).double()) + _sums(before, new[name])
    groups = sorted(sums, key=lambda group: (_depth(group[0]), group[1] != ALL))  # stable: kinds stay in order
    return tuple(_change(*group, *sums[group].tolist()) for group in groups)


def _sums(before: Tensor, after: Tensor) -> Tensor:
    """Number of scalars, Σ|Δ|, Σ|θ|, ΣΔ², Σθ²: [5], float64, on the CPU."""
    before = before.double()
    change = after.double() - before
    sums = (change.abs().sum(), before.abs().sum(), change.square().sum(), before.square().sum())
    return torch.tensor([before.numel(), *sums], dtype=torch.float64)


def _change(
    part: str, kind: str, number: float, change: float, size: float, change2: float, size2: float
) -> ParameterChange:
    relative, relative_l2 = (change / size, math.sqrt(change2 / size2)) if size else (None, None)
    return ParameterChange(part, kind, int(number), change / number, relative, relative_l2)


def _depth(part: str) -> float:
    """Sorts embeddings, block 1, block 2, …, head."""
    ends = {EMBEDDINGS: 0.0, "head": math.inf}
    return ends[part] if part in ends else float(part.removeprefix("block "))
