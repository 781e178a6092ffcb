"""Parameters of methods: initial values, warm starts, and checks of shapes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.outline import Outline
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.common.text import shown
from clipcompat.methods.parts.prompts import lack_of_room
from clipcompat.training.learner import Shape
from clipcompat.training.task import Task

_LENGTHS = ("width", "dim", "penultimate")
"""Of a backbone, those that a `Shape` can name."""


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


def tensor_mismatch(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, Shape], backbone: Backbone | Outline | None = None
) -> str | None:
    """A sentence on the first tensor that is missing, unknown, not float32, of a wrong shape or not finite, or None.

    shapes: of all tensors, by name. backbone: whose lengths the shapes name; None: any lengths that agree.
    """
    if unknown := sorted(tensors.keys() - shapes.keys()):
        return f"it holds a tensor {shown(unknown[0])}, which its method does not have"
    lengths = {}
    if backbone is not None:
        lengths = {name: getattr(backbone, name) for name in _LENGTHS}
    for name, shape in shapes.items():
        if name not in tensors:
            return f"its tensor {name} should be {_written(shape)}, but is missing"
        if tensors[name].dtype != torch.float32:
            return f"its tensor {name} should hold float32, but holds {str(tensors[name].dtype).removeprefix('torch.')}"
        for wanted, came in zip(shape, tensors[name].shape, strict=False):
            if came and isinstance(wanted, str):
                lengths.setdefault(wanted, came)  # a free length is what the first tensor has
    for name, shape in shapes.items():
        came, expected = tuple(tensors[name].shape), tuple(_length(wanted, lengths) for wanted in shape)
        if came != expected:
            return f"its tensor {name} should be {_written(expected)}, but is {_written(came)}"
        if not torch.isfinite(tensors[name]).all():
            return f"its tensor {name} should hold finite numbers, but has some that are not"
    return None


def blank_tensors(
    shapes: Mapping[str, Shape], backbone: Backbone | Outline, own: Mapping[str, int] | None = None
) -> dict[str, Tensor]:
    """Zeros of these shapes on a backbone, that take no memory however long they are (lengths are cut at 2^31).

    A length that the backbone does not have, such as the number of images, is 1. own: lengths that the method knows
    (`Method.lengths`).
    """
    known = {name: length for name in _LENGTHS if (length := getattr(backbone, name)) is not None} | (own or {})
    lengths = {name: [_length(wanted, known) for wanted in shape] for name, shape in shapes.items()}
    sizes = {name: [min(n, 1 << 31) if isinstance(n, int) else 1 for n in shape] for name, shape in lengths.items()}
    return {name: torch.zeros(()).expand(size) for name, size in sizes.items()}


def context_mismatch(
    tensors: Mapping[str, Tensor], dims: int, backbone: Backbone | Outline, inserted: bool = False
) -> str | None:
    """A sentence on why the tensor ctx, [..., n_ctx, width] with `dims` dimensions, does not fit; None if it does.

    inserted: its rows take no token's place.
    """
    shape = list(tensors["ctx"].shape) if "ctx" in tensors else []
    if len(shape) != dims:
        return f"its tensor ctx should have {dims} dimensions, but is {shape or 'missing'}"
    if shape[-1] != backbone.width:
        return f"its context has {shape[-1]} channels, the text tower of {backbone.name} has {backbone.width}"
    return None if inserted else lack_of_room(backbone, shape[-2])


def _length(wanted: int | str, lengths: Mapping[str, int]) -> int | str:
    """The number that a length of a `Shape` stands for; its name, if it is not known."""
    if isinstance(wanted, int):
        return wanted
    name, _, share = wanted.partition("/")
    return lengths[name] // int(share) if share and name in lengths else lengths.get(wanted, wanted)


def _written(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"
