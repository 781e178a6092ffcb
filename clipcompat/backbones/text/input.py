"""What a text tower reads: packed prompts, and vectors that enter them before a later block."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clipcompat.backbones.text.packing import Packing
from clipcompat.backbones.text.repacking import Part, lengthen
from clipcompat.common.errors import ConfigError


@dataclass(frozen=True)
class Injection:
    """Learned vectors that enter the residual stream right before one block.

    vectors: [row, width], the same for every class, or [class, row, width].
    layer: 0 … layers - 1; layer 0 is the tower's input, before positions are added.
    insert: False overwrites rows 1 … row (after SOS). True puts extra rows there; above layer 0 they get no position.
    """

    layer: int
    vectors: Tensor
    insert: bool = False


@dataclass(frozen=True)
class Prompts:
    """What a text tower reads.

    rows: packed [row, width], embeddings without positions. packing: made by `TextTower.pack`.
    inject: at most one per layer.
    """

    rows: Tensor
    packing: Packing
    inject: tuple[Injection, ...] = ()


def select(prompts: Prompts, part: Part, rows: Tensor) -> Prompts:
    """The prompts of one part, given its rows."""
    inject = tuple(i if i.vectors.ndim == 2 else replace(i, vectors=i.vectors[part.prompts]) for i in prompts.inject)
    return Prompts(rows, part.packing, inject)


def apply(injection: Injection, x: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
    """Put the vectors into every prefix or, if there is none, into every prompt: packed x [row, width] -> the same, and
    its packing, longer if the vectors are inserted.

    Raises:
        ConfigError: the vectors differ by class in a shared prefix, or would overwrite too many rows.
    """
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
    rest = 1 if injection.insert else 1 + rows  # the first row that stays behind the vectors
    prefixes, *segments = x.split(packing.row_counts)
    if packing.shared:
        first = _splice(prefixes.unflatten(0, (packing.groups, -1)), vectors, rest)  # [group, row, width]
        x = torch.cat([first, *segments])
    else:
        per_prompt = vectors[packing.order] if vectors.ndim == 3 else vectors.expand(len(packing.order), -1, -1)
        pieces = zip(segments, packing.segments, per_prompt.split(packing.prompt_counts), strict=True)
        # [prompt · row, width] -> [prompt, row, width]
        x = torch.cat([_splice(own.unflatten(0, (-1, s.rows)), learned, rest) for own, s, learned in pieces])
    return x, lengthen(packing, rows) if injection.insert else packing


def _splice(x: Tensor, vectors: Tensor, rest: int) -> Tensor:
    """SOS, vectors, and rows from `rest` on: [prompt, row, width] -> packed [prompt · row, width]."""
    return torch.cat([x[:, :1], vectors.expand(len(x), -1, -1), x[:, rest:]], dim=1).flatten(0, 1)
