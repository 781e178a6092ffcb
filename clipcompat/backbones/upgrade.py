"""An upgrade: an ordered pair of backbones; a chain is a tuple of them."""

from dataclasses import dataclass
from pathlib import Path

import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.catalog import GENERATIONS, UPGRADES, Kind, upgrade_kind
from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import unknown_name
from clipcompat.common.files import hash_file

__all__ = ["UPGRADES", "Upgrade", "load_chain", "load_upgrade", "shipped_weights"]


@dataclass(frozen=True)
class Upgrade:
    """old → new."""

    old: Backbone
    new: Backbone
    name: str = "own"

    @property
    def kind(self) -> Kind:
        """That of both backbones; "own" if they differ."""
        return self.old.kind if self.old.kind == self.new.kind else "own"


def shipped_weights(name: str) -> tuple[str | None, str | None]:
    """sha256 of the weights this package ships for an upgrade's old and new; None if it ships none."""
    if upgrade_kind(name) != "mini":
        return None, None
    from clipcompat.backbones.mini.models import shipped_file

    files = [shipped_file(model) for model, _ in GENERATIONS[name][:2]]
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
    """Load an upgrade by name, one of `UPGRADES`.

    Args:
        old_weights, new_weights: a local checkpoint, an open_clip tag, or "random:SEED", instead of the default.
        device, dtype: as for `load_backbone`.

    Raises:
        UnknownNameError: no such upgrade. CheckpointError: weights that are missing or do not fit.
    """
    if name not in GENERATIONS:
        raise unknown_name("upgrade", name, GENERATIONS)
    generations = GENERATIONS[name][:2]
    given = (old_weights, new_weights)
    old, new = (
        load_backbone(model, weights or default, device=device, dtype=dtype)
        for (model, default), weights in zip(generations, given, strict=True)
    )
    return Upgrade(old, new, name)


def load_chain(name: str, *, device: torch.device | str | None = None, dtype=None) -> tuple[Backbone, ...]:
    """All generations of an upgrade's family, oldest first."""
    if name not in GENERATIONS:
        raise unknown_name("chain", name, GENERATIONS)
    return tuple(load_backbone(model, tag, device=device, dtype=dtype) for model, tag in GENERATIONS[name])
