"""A study as data: methods × datasets × upgrades × settings, read from YAML, and the runs that it asks for.

```
title: what it shows
scales:                     # by name; each gives fields to every block
  mini: {upgrades: [mini], datasets: [mini]}
runs:                       # blocks; a block makes every combination of its lists
  - methods: [coop, contcoop]
    settings: [[], [recipe.epochs=50]]
    seeds: [1, 2, 3]
```
Other keys of a block or a scale are fields of a request (`clipcompat run --help`). "mini" among datasets stands for the
eleven mini sets, "public" for the papers' eleven.
"""

import importlib.resources
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.data.mini.sets import ELEVEN, study_names
from clipcompat.runs.request import Request

_LISTS = {"methods": "method", "datasets": "dataset", "upgrades": "upgrade"}
_MANY = {"mini": study_names(), "public": ELEVEN}


@dataclass(frozen=True)
class Spec:
    """title: what it shows. scales: name -> fields of every block. blocks: as written under `runs`."""

    name: str
    title: str
    scales: Mapping[str, Mapping[str, Any]]
    blocks: tuple[Mapping[str, Any], ...]

    def requests(self, scale: str) -> list[dict[str, Any]]:
        """The fields of each run, in order, each run once.

        Raises:
            UnknownNameError, ConfigError: no such scale, or a block that names no method or no such field.
        """
        if scale not in self.scales:
            raise unknown_name("scale", scale, self.scales, hint=f"{self.name} does not have it.")
        found: list[dict[str, Any]] = []
        for number, block in enumerate(self.blocks, 1):
            for request in _combinations({**self.scales[scale], **block}, f"{self.name}, block {number}"):
                if request not in found:
                    found.append(request)
        return found


def spec_names() -> list[str]:
    """The studies that this version ships."""
    return sorted(p.name.removesuffix(".yaml") for p in _folder().iterdir() if p.name.endswith(".yaml"))


def load_spec(name: str | Path) -> Spec:
    """A shipped study by its name, or a YAML file by its path.

    Raises:
        UnknownNameError: neither a shipped study nor a file. ConfigError: the file is malformed.
    """
    name = str(name)
    if name in spec_names():
        return _parse((_folder() / f"{name}.yaml").read_text(encoding="utf-8"), name)
    path = Path(name).expanduser()
    if not path.is_file():
        raise unknown_name("study", name, spec_names(), hint="Or give the path of a YAML file.")
    try:
        return _parse(path.read_text(encoding="utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the study {path} cannot be read: {error}.") from error


def _folder() -> Any:
    return importlib.resources.files("clipcompat") / "studies" / "specs"


def _parse(text: str, name: str) -> Spec:
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{name} is not sound YAML: {' '.join(str(error).split())}.") from error
    scales, blocks = (found.get(part) for part in ("scales", "runs")) if isinstance(found, dict) else (None, None)
    sound = isinstance(scales, dict) and scales and isinstance(blocks, list) and blocks
    if not sound or not all(isinstance(part, dict) for part in (*scales.values(), *blocks)):
        raise ConfigError(f"{name} must hold `scales:` (a name with fields each) and `runs:` (a list of blocks).")
    if extra := found.keys() - {"title", "scales", "runs"}:
        raise unknown_name(f"part of {name}", str(min(map(str, extra))), ("title", "scales", "runs"))
    return Spec(name, str(found.get("title", name)), scales, tuple(blocks))


def _combinations(block: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    known = {f.name for f in fields(Request)} - {*_LISTS.values(), "settings"} | {*_LISTS, "settings"}
    for key in block:
        if key not in known:
            raise unknown_name(f"field ({where})", str(key), known)
    lists = {field: _list(block.get(key), key, where) for key, field in _LISTS.items()}
    lists["dataset"] = [d for name in lists["dataset"] for d in _MANY.get(name, (name,))]
    given = block.get("settings", [[]])
    if not isinstance(given, list) or not given:
        raise ConfigError(f"{where}: settings must be a list of lists, [[], [key=value]], not {str(given)[:60]}.")
    settings = [tuple(_list(s, "settings", where, may_be_empty=True)) for s in given]
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in block.items() if k not in (*_LISTS, "settings")}
    # datasets vary fastest, so that workers do not wait for each other's features of one dataset
    for upgrade, method, its, dataset in itertools.product(
        lists["upgrade"], lists["method"], settings, lists["dataset"]
    ):
        yield plain | {"method": method, "dataset": dataset, "upgrade": upgrade, "settings": its}


def _list(value: Any, key: str, where: str, may_be_empty: bool = False) -> list[str]:
    if not isinstance(value, list) or not (value or may_be_empty) or not all(isinstance(v, str) for v in value):
        raise ConfigError(f"{where}: {key} must be a list of words in brackets, not {str(value)[:60]}.")
    return value
