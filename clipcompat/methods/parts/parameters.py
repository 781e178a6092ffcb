"""Parameters of methods: initial values, warm starts, and checks of shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clipcompat.common.errors import IncompatibleError


def warm_start(parameters: Mapping[str, Tensor], init: Any) -> None:
    """Overwrite initial values with those of another plug-in of the same shapes, in place."""
    if init is None:
        return
    for name, parameter in parameters.items():
        given = init.tensors.get(name)
        if given is None or given.shape != parameter.shape:
            raise IncompatibleError(
                f"the plug-in given as init has {'no ' + name if given is None else f'{name} {list(given.shape)}'}; "
                f"this method starts from {name} {list(parameter.shape)}."
            )
        parameter.data.copy_(given)


def linear_default(outputs: int, inputs: int, generator: torch.Generator, bias: bool = False) -> Tensor:
    """What nn.Linear starts with, U(±1/√inputs): a weight [outputs, inputs], or with `bias` a bias [outputs]."""
    shape = (outputs,) if bias else (outputs, inputs)
    return torch.empty(shape).uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)


def shape_mismatch(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int | None, ...]]) -> str | None:
    """The first tensor that is missing or of another shape than wanted (None: any length), as a sentence; or None."""
    for name, wanted in shapes.items():
        came = list(tensors[name].shape) if name in tensors else "missing"
        if came == "missing" or len(came) != len(wanted) or any(
            w is not None and w != c for w, c in zip(wanted, came, strict=True)
        ):  # fmt: skip
            return f"its tensor {name} should be {[w if w is not None else 'any' for w in wanted]}, but is {came}"
    return None
