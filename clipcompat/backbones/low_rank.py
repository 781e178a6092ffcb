"""Low-rank additions to the queries, keys and values of a tower's blocks: in training, and merged into the weights.

Papers: LoRA (arXiv 2106.09685), CLIP-LoRA (arXiv 2405.18541; MaxZanella/CLIP-LoRA loralib/layers.py).

    q = W_q h + b_q + scale · B_q A_q d(h),   k and v in the same way        d: dropout, another draw for each of them

Merged, W_q + scale · B_q A_q takes the place of W_q: the same numbers up to rounding, at no cost.
"""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.image.changed import attentions, projection_weights
from clipcompat.common.files import digest


@dataclass(frozen=True, eq=False)
class LowRank:
    """The additions to the first blocks of one tower. Merged, later blocks stay as they are; in training, none is left.

    down: A, [block, 3, rank, width]; the 3 are queries, keys and values. up: B, [block, 3, width, rank]. Both float32.
    dropout: the share of input channels that are set to 0, row by row; only for training.
    generator: of the dropout, on the device of the tensors.
    """

    down: Tensor
    up: Tensor
    scale: float
    dropout: float = 0.0
    generator: torch.Generator | None = None

    def __call__(self, block: int, parts: slice, rows: Tensor) -> Tensor:
        """Input of an attention, [..., width] -> what is added to its n parts, side by side: [..., n · width].

        parts: of queries, keys and values; slice(0, 1) is queries alone.
        """
        down, up = (t[block, parts].to(rows.dtype) for t in (self.down, self.up))  # [n, …]
        seen = self._dropped(rows.reshape(1, -1, rows.shape[-1]).expand(len(down), -1, -1))  # [n, row, width]
        added = self.scale * (seen @ down.mT @ up.mT)  # [n, row, width]
        return added.transpose(0, 1).reshape(*rows.shape[:-1], -1)

    def weights(self) -> Tensor:
        """scale · B A of every block, [block, 3, width, width]."""
        return self.scale * self.up @ self.down

    @property
    def stamp(self) -> str:
        """A hash of the numbers."""
        held = [t.detach().cpu().contiguous().numpy().tobytes() for t in (self.down, self.up)]
        return digest([self.scale, *(hashlib.sha256(part).hexdigest() for part in held)])

    def _dropped(self, rows: Tensor) -> Tensor:
        if not self.dropout:
            return rows
        kept = rows.new_empty(rows.shape).bernoulli_(1 - self.dropout, generator=self.generator)
        return rows * kept.div_(1 - self.dropout)


def merged(backbone: Backbone, text: LowRank | None = None, image: LowRank | None = None) -> Backbone:
    """The backbone with additions in its weights, for testing; all other tensors are shared with it, not copied.

    text, image: of the towers; None leaves one as it is. It is another backbone, with a stamp of its own, and its image
    features are kept under another stamp only if its image tower is changed.
    """
    model = backbone._model
    towers = [(model, text), (model.visual, image)]
    changed = [w for tower, change in towers if change for attn in attentions(tower) for w in projection_weights(attn)]
    own = {id(weight) for weight in changed}
    shared = {id(t): t for t in chain(model.parameters(), model.buffers()) if id(t) not in own}
    model = copy.deepcopy(model, shared)
    for tower, change in [(model, text), (model.visual, image)]:
        if change is not None:
            _add(attentions(tower), change)
    stamps = [change and change.stamp for change in (text, image)]
    made = Backbone(
        model,
        backbone.tokenizer,
        backbone.preprocess,
        name=backbone.name,
        stamp=digest([backbone.stamp, *stamps]),
        image_stamp=digest([backbone.image_stamp, stamps[1]]) if image else backbone.image_stamp,
        source=f"{backbone.source}, with low-rank additions",
        kind=backbone.kind,
        device=backbone.device,
        dtype=backbone.dtype,
    )
    made.text.memory_budget = backbone.text.memory_budget
    if image is None:
        made.memory = backbone.memory
    return made


@torch.no_grad()
def _add(blocks: Sequence[nn.Module], change: LowRank) -> None:
    """Add to the weights of the first blocks, in place."""
    for attn, added in zip(blocks, change.weights(), strict=False):  # added: [3, width, width]
        weights = projection_weights(attn)
        parts = added.flatten(0, 1).split([len(weight) for weight in weights])
        for weight, part in zip(weights, parts, strict=True):
            weight.add_(part.to(weight.dtype))
