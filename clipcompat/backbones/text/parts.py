"""The parts of a text tower by name, from its input to its output, and the exchange of parts between two towers.

    tokens, positions, block 1 … block L, head        (head: ln_final and the projection)

Names of tensors are those of open_clip's `CLIP`; `CustomTextCLIP` has the same ones under `text.`.
"""

import copy
from collections.abc import Collection

from torch import Tensor, nn

from clipcompat.common.errors import ConfigError, unknown_name

ACTIVATION = "activation"
"""What `exchange` calls the activation functions of all blocks, without any weight."""

_EMBEDDINGS = {"token_embedding": "tokens", "positional_embedding": "positions"}
_KINDS = {"ln_1": "norms", "ln_2": "norms", "attn": "attention", "mlp": "mlp"}
_HEAD = {"ln_final": "norms", "text_projection": "projection"}


def part_names(layers: int) -> tuple[str, ...]:
    """Every part of a tower with so many blocks, from input to output."""
    return (*_EMBEDDINGS.values(), *(f"block {number}" for number in range(1, layers + 1)), "head")


def part_of(name: str) -> tuple[str, str]:
    """The part that a tensor belongs to, and its kind.

    Kinds: "tokens", "positions", "norms" (gains and biases of LayerNorm), "attention", "mlp", "projection"; "other".
    """
    words = name.split(".")
    if name.startswith("transformer.resblocks."):
        return f"block {int(words[2]) + 1}", _KINDS.get(words[3], "other")
    if words[0] in _EMBEDDINGS:
        return _EMBEDDINGS[words[0]], _EMBEDDINGS[words[0]]
    return "head", _HEAD.get(words[0], "other")


def text_state(model: nn.Module) -> dict[str, Tensor]:
    """The text tower's tensors under the names of open_clip's `CLIP` (without CustomTextCLIP's `text.`)."""
    state = model.state_dict()
    if any(key.startswith("text.") for key in state):
        return {key.removeprefix("text."): value for key, value in state.items() if key.startswith("text.")}
    return {key: value for key, value in state.items() if not key.startswith(("visual.", "logit_"))}


def exchange(model: nn.Module, donor: nn.Module, parts: Collection[str]) -> nn.Module:
    """A copy of `model` whose text tower has these parts from `donor`; the image tower is shared, not copied.

    parts: names from `part_names`. A block brings its activation function along. `ACTIVATION`: every block of the copy
        gets the donor's activation function and keeps its own weights.

    Raises:
        UnknownNameError: no such part. ConfigError: the towers differ in shape.
    """
    ours, theirs = text_state(model), text_state(donor)
    check_same_shape(ours, theirs)
    known = {part_of(name)[0] for name in ours} | {ACTIVATION}
    for part in parts:
        if part not in known:
            raise unknown_name("part of a text tower", part, known)
    made = copy.deepcopy(model, {id(model.visual): model.visual})
    # state_dict gives the tensors themselves, so these are the copy's own
    for name, tensor in text_state(made).items():
        if part_of(name)[0] in parts:
            tensor.copy_(theirs[name])
    blocks = zip(_blocks(made), _blocks(donor), strict=True)
    for number, (block, other) in enumerate(blocks, 1):
        if f"block {number}" in parts or ACTIVATION in parts:
            block.mlp.gelu = copy.deepcopy(other.mlp.gelu)
    return made


def check_same_shape(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Refuse two text towers whose tensors do not correspond one to one.

    Raises:
        ConfigError: the message names the first tensor that differs.
    """
    for name in [*ours, *theirs]:
        shapes = [list(state[name].shape) if name in state else "missing" for state in (ours, theirs)]
        if shapes[0] != shapes[1]:
            raise ConfigError(
                f"these two text towers have different parts: {name} is {shapes[0]} in one and {shapes[1]} in the "
                "other. Take two generations of one size."
            )


def _blocks(model: nn.Module) -> nn.ModuleList:
    return getattr(model, "text", model).transformer.resblocks
