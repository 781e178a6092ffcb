"""The header of a plug-in, whose every entry has its type: the method with its settings, and the origin."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from clipcompat.common.config import from_config
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.methods import KNOWN
from clipcompat.training.learner import Method


@dataclass(frozen=True)
class _Tower:
    name: str
    stamp: str
    source: str | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class _Teacher:
    method: str
    stamp: str
    backbone: _Tower


@dataclass(frozen=True)
class _Origin:
    """Entries of an origin. Those with a default may be missing: files of earlier versions do not have them."""

    backbone: _Tower
    dataset: str | None
    train_stamp: str | None
    classnames: tuple[str, ...]
    template: str | tuple[str, ...] | None
    shots: int | None
    seed: int | None
    views: int | None
    epochs: int | None
    seconds: float | None
    final_loss: float | None = None
    crop: tuple[float, float] | None = None
    init: str | None = None
    select_on: str | None = None
    source: str | None = None
    class_buffers: str | None = None
    mixture: str | None = None
    upright: bool = False
    unverified: bool = False
    repair: str | None = None
    teacher: _Teacher | None = None
    rows: tuple[str, ...] | None = None
    focal: str | None = None

    def __post_init__(self):
        if not self.classnames or not all(name.strip() for name in self.classnames):
            raise ConfigError("origin.classnames must be a list of names, none of them empty.")


def read_method(header: Mapping[str, Any]) -> Method:
    """The method that a header names, with its settings.

    Raises:
        UnknownNameError: this version does not have the method or a setting. ConfigError: an entry is missing, of
        another type or out of range.
    """
    part = _group(header, "method", "")
    name, config = part.get("name"), _group(part, "config", "method.")
    if not isinstance(name, str):
        raise ConfigError("method.name must be text.")
    if name not in KNOWN:
        raise unknown_name("method", name, KNOWN, hint="The file may come from a newer version.")
    return from_config(KNOWN[name], config, "method.config.")


def read_origin(header: Mapping[str, Any]) -> dict[str, Any]:
    """The origin in a header; entries that this version does not know stay as they are.

    Raises:
        ConfigError: an entry is missing or of another type.
    """
    origin = _group(header, "origin", "")
    tower = _known(_Tower, _group(origin, "backbone", "origin."), "origin.backbone.")
    from_config(_Origin, _known(_Origin, origin, "origin.") | {"backbone": tower}, "origin.")
    return origin


def _group(parent: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    if not isinstance(parent.get(name), dict):
        raise ConfigError(f"{where}{name} must be a group of entries.")
    return parent[name]


def _known(kind: type, found: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The entries that `kind` has."""
    for field in fields(kind):
        if field.name not in found and field.default is MISSING:
            raise ConfigError(f"{where}{field.name} is missing.")
    return {field.name: found[field.name] for field in fields(kind) if field.name in found}
