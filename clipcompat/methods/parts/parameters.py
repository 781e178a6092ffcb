"""Parameters of methods: initial values, warm starts, and checks of shapes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.training.task import Task


def trainable(values: Mapping[str, Tensor], task: Task) -> dict[str, Tensor]:
    """Initial values as parameters on the backbone's device. `task.init`, a plug-in of the same shapes, replaces them.

    Raises:
        IncompatibleError: the plug-in given as init lacks a tensor or has it in another shape.
    """
    parameters = {name: value.to(task.backbone.device).requires_grad_() for name, value in values.items()}
    for name, parameter in parameters.items() if task.init is not None else ():
        given = task.init.tensors.get(name)
        if given is None or given.shape != parameter.shape:
            raise IncompatibleError(
                f"the plug-in given as init has {'no ' + name if given is None else f'{name} {list(given.shape)}'}; "
                f"this method starts from {name} {list(parameter.shape)}."
            )
        parameter.data.copy_(given)
    return parameters


def linear_default(outputs: int, inputs: int, generator: torch.Generator, bias: bool = False) -> Tensor:
    """The initial values of nn.Linear, U(±1/√inputs): a weight [outputs, inputs], or with `bias` a bias [outputs]."""
    shape = (outputs,) if bias else (outputs, inputs)
    return torch.empty(shape).uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)


def hidden_width(dim: int, reduction: int) -> int:
    """Channels of a bottleneck, dim / reduction.

    Raises:
        ConfigError: none would be left.
    """
    if reduction > dim:
        raise ConfigError(f"reduction {reduction} leaves no channel of {dim}; use a smaller one.")
    return dim // reduction


def shape_mismatch(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int | None, ...]]) -> str | None:
    """A sentence on the first tensor that is missing or has the wrong shape; None if all fit.

    shapes: name -> expected shape; a None in it accepts any length.
    """
    for name, shape in shapes.items():
        came = list(tensors[name].shape) if name in tensors else None
        fits = came is not None and len(came) == len(shape)
        if not fits or any(wanted not in (None, found) for wanted, found in zip(shape, came, strict=True)):
            expected = ["any" if wanted is None else wanted for wanted in shape]
            return f"its tensor {name} should be {expected}, but is {'missing' if came is None else came}"
    return None


def context_mismatch(tensors: Mapping[str, Tensor], dims: int, backbone: Backbone) -> str | None:
    """A sentence on why the tensor ctx, [..., n_ctx, width] with `dims` dimensions, does not fit; None if it does."""
    shape = list(tensors["ctx"].shape) if "ctx" in tensors else []
    if len(shape) != dims:
        return f"its tensor ctx should have {dims} dimensions, but is {shape or 'missing'}"
    if shape[-1] != backbone.width:
        return f"its context has {shape[-1]} channels, the text tower of {backbone.name} has {backbone.width}"
    return None
