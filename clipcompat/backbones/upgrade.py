"""An upgrade: an ordered pair of backbones; a chain is a tuple of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import unknown_name
from clipcompat.common.files import hash_file

# name -> generations, each (open_clip or mini model, open_clip tag or None for what the package ships)
_GENERATIONS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "mini": (("mini-old", None), ("mini-new", None), ("mini-newer", None)),
    "mini-large": (("mini-large-old", None), ("mini-large-new", None)),
    # controls: nothing changes; the image tower alone; the text tower alone
    "mini-identity": (("mini-old", None), ("mini-old", None)),
    "mini-image-only": (("mini-old", None), ("mini-image-only", None)),
    "mini-text-only": (("mini-old", None), ("mini-text-only", None)),
    "clip-to-eva-vit-b-16": (("ViT-B-16-quickgelu", "openai"), ("EVA02-B-16", "merged2b_s8b_b131k")),
    "clip-to-eva-vit-l-14": (("ViT-L-14-quickgelu", "openai"), ("EVA02-L-14", "merged2b_s4b_b131k")),
}
UPGRADES = tuple(_GENERATIONS)


@dataclass(frozen=True)
class Upgrade:
    """old → new."""

    old: Backbone
    new: Backbone
    name: str = "own"


def shipped_weights(name: str) -> tuple[str | None, str | None]:
    """sha256 of the weights this package ships for an upgrade's old and new; None where it ships none."""
    if not name.startswith("mini"):
        return None, None
    from clipcompat.backbones.mini.models import shipped_file

    files = [shipped_file(model) for model, _ in _GENERATIONS[name][:2]]
    old, new = (file and hash_file(file) for file in files)
    return old, new


def load_upgrade(
    name: str,
    *,
    old_weights: str | Path | None = None,
    new_weights: str | Path | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
) -> Upgrade:
    """A pair by name, one of `UPGRADES`: embedded ones, and those of open_clip tags.

    Args:
        old_weights, new_weights: a local checkpoint, an open_clip tag, or "random:SEED", instead of the default.

    Raises:
        UnknownNameError: no such upgrade. CheckpointError: weights that cannot be had or do not fit.
    """
    if name not in _GENERATIONS:
        raise unknown_name("upgrade", name, _GENERATIONS)
    generations = _GENERATIONS[name][:2]
    given = (old_weights, new_weights)
    old, new = (
        load_backbone(model, weights or default, device=device, dtype=dtype)
        for (model, default), weights in zip(generations, given, strict=True)
    )
    return Upgrade(old, new, name)


def load_chain(name: str, *, device: torch.device | str | None = None, dtype=None) -> tuple[Backbone, ...]:
    """All generations of an upgrade's family, oldest first."""
    if name not in _GENERATIONS:
        raise unknown_name("chain", name, _GENERATIONS)
    return tuple(load_backbone(model, tag, device=device, dtype=dtype) for model, tag in _GENERATIONS[name])
