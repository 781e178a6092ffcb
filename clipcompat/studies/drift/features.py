"""How far the features of a text tower moved, layer by layer (ContCoOp, Fig. 2c).

Each prompt goes through both towers, each with its own token table, weights and activation. h and h' are the same row
of the residual stream, after the same block:

    absolute = mean |h' − h| over all numbers        relative = mean over rows of ‖h' − h‖₂ / ‖h‖₂

Both compare channel by channel: by them, a tower whose channels were only put in another order has moved far. CKA does
not depend on the order of channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError
from clipcompat.common.progress import Progress
from clipcompat.studies.drift.cka import LinearCKA
from clipcompat.studies.drift.parameters import EMBEDDINGS

PLACES = ("eot", "tokens", "sos")
"""Which rows: the end-of-text token; every token after SOS, EOT included; SOS.

SOS reads nothing but itself, so it is the same in all prompts, and often many times longer than the others. It has a
place of its own, as it would decide every mean that it takes part in.
"""

_PROMPTS_AT_ONCE = 128


@dataclass(frozen=True)
class FeatureChange:
    """One layer and one kind of row.

    layer: "embeddings" (what enters block 1), "block 1" …, "output" (the text feature, projected, not normalised; it
        has the place "eot" only). place: see `PLACES`. rows: how many were compared.
    absolute, relative: see the module's docstring; None for towers of two widths. cka, cka_debiased: see `LinearCKA`;
        None where the rows do not vary, as SOS.
    """

    layer: str
    place: str
    rows: int
    absolute: float | None
    relative: float | None
    cka: float | None
    cka_debiased: float | None


@torch.no_grad()
def feature_changes(
    old: Backbone, new: Backbone, prompts: Sequence[str], progress: Progress | None = None
) -> tuple[FeatureChange, ...]:
    """Every layer from input to output, at every place.

    Raises:
        ConfigError: the towers have different depths, or read the prompts as different tokens.
    """
    if old.layers != new.layers:
        raise ConfigError(
            f"{old.name} has {old.layers} text blocks and {new.name} has {new.layers}, so layers do not correspond. "
            "Take two generations of one depth."
        )
    layers = [EMBEDDINGS, *(f"block {number}" for number in range(1, old.layers + 1))]
    sums = {(layer, place): _Rows() for layer in layers for place in PLACES} | {("output", "eot"): _Rows()}
    for at in range(0, len(prompts), _PROMPTS_AT_ONCE):
        part = prompts[at : at + _PROMPTS_AT_ONCE]
        ids = old.tokenize(part)
        if not torch.equal(ids, new.tokenize(part)):
            raise ConfigError(
                f"{old.name} and {new.name} read {part[0]!r} or another prompt as different tokens, so rows do not "
                "correspond. Take two generations with one tokenizer."
            )
        eot = ids.argmax(-1)
        states = [_states(backbone, ids, eot) for backbone in (old, new)]
        for place, rows in _places(eot).items():
            for number, layer in enumerate(layers):
                sums[layer, place].add(*(stream[number, *rows] for stream, _ in states), varies=place != "sos")
        sums["output", "eot"].add(*(feature for _, feature in states))
        if progress is not None:
            progress(at + len(part), len(prompts), f"{old.name} and {new.name}: prompts")
    return tuple(rows.change(*where) for where, rows in sums.items())


def _states(backbone: Backbone, ids: Tensor, eot: Tensor) -> tuple[Tensor, Tensor]:
    """ids [prompt, token] -> the residual stream [layer + 1, prompt, token, width] and features [prompt, dim]."""
    tower, state = backbone.text, backbone.text_state
    stream = tower.hidden_states(tower.embed(ids), eot.to(backbone.device))
    last = stream[-1, torch.arange(len(ids)), eot]  # [prompt, width]
    normed = F.layer_norm(last, last.shape[-1:], state["ln_final.weight"], state["ln_final.bias"])
    return stream.cpu(), (normed @ state["text_projection"].float()).cpu()


def _places(eot: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Place -> the prompt and the token of each of its rows, from the row of EOT, [prompt]."""
    token = torch.arange(int(eot.max()) + 1)
    every = torch.arange(len(eot))
    words = ((token > 0) & (token <= eot[:, None])).nonzero(as_tuple=True)
    return {"eot": (every, eot), "tokens": words, "sos": (every, torch.zeros_like(eot))}


@dataclass
class _Rows:
    """Sums over the rows of one layer and place."""

    rows: int = 0
    numbers: int = 0
    absolute: float = 0.0
    relative: float = 0.0
    cka: LinearCKA = field(default_factory=LinearCKA)

    def add(self, h: Tensor, after: Tensor, varies: bool = True) -> None:
        """[row, width] of old and of new. varies: False for rows that differ by rounding only."""
        h, after = h.double(), after.double()
        self.rows += len(h)
        if varies:
            self.cka.add(h, after)
        if h.shape == after.shape:
            change = after - h
            self.numbers += h.numel()
            self.absolute += float(change.abs().sum())
            self.relative += float((change.norm(dim=-1) / h.norm(dim=-1)).sum())

    def change(self, layer: str, place: str) -> FeatureChange:
        means = (self.absolute / self.numbers, self.relative / self.rows) if self.numbers else (None, None)
        return FeatureChange(layer, place, self.rows, *means, self.cka.value, self.cka.debiased)
