"""An upgrade: an ordered pair of backbones; a chain is a tuple of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.catalog import GENERATIONS, OTHER_ACTIVATION, UPGRADES, Kind, upgrade_kind
from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import unknown_name
from clipcompat.common.files import hash_file

__all__ = ["UPGRADES", "Upgrade", "later_weights", "load_chain", "load_upgrade", "shipped_weights"]


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


def later_weights(name: str) -> list[str]:
    """Model and weights of every generation after the upgrade's new one, "mini-newer:sha256:…"; no path, and no load.

    Shipped weights are named by their hash, tags as they are.
    """
    from clipcompat.backbones.mini.models import shipped_file

    later = []
    for model, weights in GENERATIONS[name][2:]:
        file = shipped_file(model) if weights is None else None
        later.append(f"{model}:sha256:{hash_file(file)}" if file else f"{model}:{weights}")
    return later


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
    old, new = _load(name, (old_weights, new_weights), device, dtype)
    return Upgrade(old, new, name)


def load_chain(name: str, *, device: torch.device | str | None = None, dtype=None) -> tuple[Backbone, ...]:
    """All generations of an upgrade's family, oldest first."""
    if name not in GENERATIONS:
        raise unknown_name("chain", name, GENERATIONS)
    return _load(name, (None,) * len(GENERATIONS[name]), device, dtype)


def _load(name: str, given: Sequence[str | Path | None], device, dtype) -> tuple[Backbone, ...]:
    """The first generations of an upgrade's family; given: weights instead of the default, one per generation."""
    loaded = []
    for number, ((model, default), weights) in enumerate(zip(GENERATIONS[name], given, strict=False)):
        control = {"other_activation": True} if number and name in OTHER_ACTIVATION else {}
        loaded.append(load_backbone(model, weights or default, device=device, dtype=dtype, **control))
    return tuple(loaded)
