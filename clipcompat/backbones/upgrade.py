"""An upgrade: an ordered pair of backbones; a chain is a tuple of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.catalog import OTHER_ACTIVATION, UPGRADES, Kind, backbone_kind, generations, is_spelled_out
from clipcompat.backbones.load import load_backbone
from clipcompat.common.files import hash_file

__all__ = [
    "UPGRADES",
    "Upgrade",
    "later_weights",
    "load_chain",
    "load_upgrade",
    "name_upgrade",
    "name_weights",
    "shipped_weights",
]


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
    old, new = (None if weights else _shipped(model) for model, weights in generations(name)[:2])
    return old, new


def _shipped(model: str) -> str | None:
    if backbone_kind(model) != "mini":
        return None
    from clipcompat.backbones.mini.models import shipped_file

    file = shipped_file(model)
    return file and hash_file(file)


def name_weights(weights: str | Path | None) -> str | None:
    """Weights without a path: a file is named by its content, "sha256:…"; a tag, random:SEED and None stay."""
    path = None if weights is None else Path(weights).expanduser()
    return f"sha256:{hash_file(path)}" if path and path.is_file() else weights


def name_upgrade(name: str) -> str:
    """An upgrade's name without a path: its generations, if it lists them, with weights as `name_weights` has them."""
    if not is_spelled_out(name):
        return name
    named = [(model, name_weights(weights)) for model, weights in generations(name)]
    return ",".join(f"{model}:{weights}" if weights else model for model, weights in named)


def later_weights(name: str) -> list[str]:
    """Model and weights of every generation after the upgrade's new one, such as "mini-newer:sha256:…".

    Files and shipped weights are named by their hash.
    """
    return [
        f"{model}:{name_weights(weights) if weights else f'sha256:{_shipped(model)}'}"
        for model, weights in generations(name)[2:]
    ]


def load_upgrade(
    name: str,
    *,
    old_weights: str | Path | None = None,
    new_weights: str | Path | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
) -> Upgrade:
    """Load an upgrade by name, one of `UPGRADES` or a list of generations as `clipcompat.backbones.catalog` reads it.

    Args:
        old_weights, new_weights: a local checkpoint, an open_clip tag, or "random:SEED", instead of the default.
        device, dtype: as for `load_backbone`.

    Raises:
        UnknownNameError: no such upgrade. ConfigError: a list of generations that is none. CheckpointError: weights
            that are missing or do not fit.
    """
    old, new = _load(name, (old_weights, new_weights), device, dtype)
    return Upgrade(old, new, name)


def load_chain(
    name: str, *, after: int = 0, device: torch.device | str | None = None, dtype=None
) -> tuple[Backbone, ...]:
    """All generations of an upgrade's family, oldest first.

    after: leave out so many of the oldest, such as an upgrade's two that are loaded already.
    """
    return _load(name, (None,) * len(generations(name)), device, dtype, after)


def _load(name: str, given: Sequence[str | Path | None], device, dtype, after: int = 0) -> tuple[Backbone, ...]:
    """The first generations of an upgrade's family; given: weights instead of the default, one per generation."""
    loaded = []
    for number, ((model, default), weights) in enumerate(zip(generations(name), given, strict=False)):
        if number < after:
            continue
        control = {"other_activation": True} if number and name in OTHER_ACTIVATION else {}
        loaded.append(load_backbone(model, weights or default, device=device, dtype=dtype, **control))
    return tuple(loaded)
