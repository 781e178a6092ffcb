"""What a text tower reads: packed prompts, and vectors that enter them at a deeper layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clipcompat.backbones.text.packing import Packing
from clipcompat.backbones.text.repacking import Part, longer
from clipcompat.common.errors import ConfigError


@dataclass(frozen=True)
class Injection:
    """Learned vectors that enter the residual stream right before one block.

    vectors: [row, width], the same for every class, or [class, row, width].
    layer: 0 … layers - 1; layer 0 is the tower's input, before positions are added.
    insert: False overwrites rows 1 … row (after SOS); True puts extra rows there, which above layer 0 have no position
        of their own.
    """

    layer: int
    vectors: Tensor
    insert: bool = False


@dataclass(frozen=True)
class Prompts:
    """What a text tower reads.

    rows: packed [row, width], embeddings without positions. packing: by `TextTower.pack`. inject: one a layer at most.
    """

    rows: Tensor
    packing: Packing
    inject: tuple[Injection, ...] = ()


def pick(prompts: Prompts, part: Part, rows: Tensor) -> Prompts:
    """The prompts of one part, whose rows these are."""
    inject = tuple(i if i.vectors.ndim == 2 else replace(i, vectors=i.vectors[part.prompts]) for i in prompts.inject)
    return Prompts(rows, part.packing, inject)


def apply(injection: Injection, x: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
    """The vectors put into leads, or where there are none, into every prompt."""
    vectors, rows, longest = injection.vectors.to(x.dtype), injection.vectors.shape[-2], packing.shared
    if not packing.shared:
        longest = min(packing.lengths) - 1
    elif vectors.ndim == 3:
        raise ConfigError("prompts that share rows cannot take other vectors for each class; pack them with shared=0.")
    if not injection.insert and rows > longest - 1:
        raise ConfigError(
            f"{rows} vectors cannot overwrite the rows between SOS and EOT of a prompt that has {longest - 1}; "
            "use fewer vectors, or insert=True."
        )
    skip = 1 if injection.insert else 1 + rows
    first, *own = x.split(packing.sizes[0])
    if packing.shared:
        lead = first.unflatten(0, (packing.groups, -1))
        lead = torch.cat([lead[:, :1], vectors.expand(packing.groups, -1, -1), lead[:, skip:]], dim=1)
        x = torch.cat([lead.flatten(0, 1), *own])
    else:
        each = vectors[packing.order] if vectors.ndim == 3 else vectors.expand(len(packing.order), -1, -1)
        done = []
        for piece, segment, mine in zip(own, packing.segments, each.split(packing.sizes[1]), strict=True):
            piece = piece.unflatten(0, (-1, segment.rows))
            done.append(torch.cat([piece[:, :1], mine, piece[:, skip:]], dim=1).flatten(0, 1))
        x = torch.cat(done)
    return x, longer(packing, rows) if injection.insert else packing
