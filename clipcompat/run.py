"""One run: a method tuned on the old backbone of an upgrade, over seeds, tested on both; a record at the end.

A run that was killed continues: features already encoded are in the cache, and plug-ins already tuned are beside the
record to be. A run that is finished is not run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcompat.backbones.upgrade import UPGRADES, Upgrade, load_upgrade
from clipcompat.config import override, to_config
from clipcompat.data.load import load_dataset
from clipcompat.data.split import Dataset
from clipcompat.errors import ClipcompatError, ConfigError, DataError, unknown_name
from clipcompat.features import Progress
from clipcompat.files import hash_file
from clipcompat.fitting import fit
from clipcompat.methods import METHODS
from clipcompat.methods.base import Method
from clipcompat.plugin import Plugin, load_plugin
from clipcompat.results import environment, now, read_record, record_id, record_path, write_record
from clipcompat.studies.compatibility import compatibility

STUDY = "compatibility"
CLASSES = ("all", "base", "new")


@dataclass(frozen=True)
class Run:
    """What to run; see `clipcompat run --help`. settings are `key=value` overrides of the method's fields."""

    method: str
    dataset: str
    upgrade: str
    seeds: tuple[int, ...] = (1, 2, 3)
    shots: int | None = 16
    classes: str = "all"
    settings: tuple[str, ...] = ()
    root: str | None = None
    old_weights: str | None = None
    new_weights: str | None = None
    views: int | None = None
    dtype: str | None = None
    device: str | None = None
    retrain: bool = True
    indices: str | None = None
    allow_fewer: bool = False

    def __post_init__(self):
        for kind, name, known in [
            ("method", self.method, METHODS),
            ("upgrade", self.upgrade, UPGRADES),
            ("classes", self.classes, CLASSES),
        ]:
            if name not in known:
                raise unknown_name(kind, name, known)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds must be one or more different numbers, not {list(self.seeds)}.")

    def execute(
        self, out: str | Path, cache: str | Path | None = None, progress: Progress | None = None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> tuple[dict[str, Any], Path]:  # fmt: skip
        """Run it, or find it already done: the record and its file. `say` gets one sentence on what happens."""
        method = override(METHODS[self.method](), self.settings)
        datasets = {seed: self._data(seed) for seed in self.seeds}
        inputs = self._inputs(method, datasets)
        path = record_path(out, STUDY, inputs)
        if path.exists():
            record = read_record(path)
            if record["inputs"] != inputs:
                raise DataError(f"{path} holds another run than its name says; delete it and run again.")
            say(f"already done: {path} holds this run; delete it to run again.")
            return record, path
        started, clock = now(), time.monotonic()
        upgrade = load_upgrade(
            self.upgrade,
            old_weights=self.old_weights,
            new_weights=self.new_weights,
            device=self.device,
            dtype=self.dtype,
        )
        rows = []
        for seed, data in datasets.items():
            rows.append(self._one_seed(method, upgrade, data, seed, path.with_suffix(""), cache, progress))
            say(f"seed {seed}: old {rows[-1]['old']:.2f}, new {rows[-1]['new']:.2f}")
        record = {
            "id": record_id(inputs),
            "study": STUDY,
            "inputs": inputs,
            "per_seed": rows,
            "backbones": {
                side: {"name": b.name, "source": b.source, "stamp": b.stamp, "dtype": str(b.dtype)}
                for side, b in (("old", upgrade.old), ("new", upgrade.new))
            },
            "environment": environment(upgrade.old.device),
            "started": started,
            "seconds": round(time.monotonic() - clock, 1),
        }
        write_record(out, record)
        return read_record(path), path

    def _data(self, seed: int) -> Dataset:
        data = load_dataset(
            self.dataset,
            root=self.root,
            shots=self.shots,
            seed=seed,
            indices=self.indices,
            allow_fewer=self.allow_fewer,
        )
        return {"all": lambda: data, "base": data.base_classes, "new": data.new_classes}[self.classes]()

    def _inputs(self, method: Method, datasets: dict[int, Dataset]) -> dict[str, Any]:
        """Everything the numbers depend on that the user chose; no path of this machine."""
        data = next(iter(datasets.values()))
        return {
            "method": {"name": method.name, "config": to_config(method)},
            "dataset": data.name.partition("[")[0],  # one name, whichever alias was typed
            "classes": self.classes,
            "shots": data.shots,  # a list of images brings its own number
            "seeds": list(self.seeds),
            "upgrade": self.upgrade,
            "old_weights": _weights_name(self.old_weights),
            "new_weights": _weights_name(self.new_weights),
            "views": self.views,
            "dtype": self.dtype,
            "retrain": self.retrain,
            "stamps": {str(seed): {"train": d.train.stamp, "test": d.test.stamp} for seed, d in datasets.items()},
        }

    def _one_seed(self, method, upgrade: Upgrade, data: Dataset, seed, folder: Path, cache, progress) -> dict[str, Any]:
        def tuned(side: str) -> Plugin:
            file = folder / f"seed-{seed}-{side}.safetensors"
            backbone = getattr(upgrade, side)
            kept = _finished(file, backbone.stamp, data.train.stamp)
            if kept is None:
                kept = fit(method, backbone, data, seed=seed, views=self.views, cache=cache, progress=progress)
                kept.save(file)
            return kept

        plugin = tuned("old")
        retrained = tuned("new") if self.retrain and method.needs != "nothing" else False
        report = compatibility(plugin, upgrade, data, retrained=retrained, cache=cache, progress=progress)
        origin = {k: plugin.origin[k] for k in ("views", "epochs", "final_loss")}
        return report.to_dict() | origin | {"indices": data.indices}


def _finished(file: Path, backbone_stamp: str, train_stamp: str) -> Plugin | None:
    """A plug-in that an interrupted run left, if it is whole and of this backbone and these images."""
    try:
        plugin = load_plugin(file)
    except ClipcompatError:  # none, damaged, or of settings that this version no longer has
        return None
    same = plugin.origin["backbone"]["stamp"] == backbone_stamp and plugin.origin["train_stamp"] == train_stamp
    return plugin if same else None


def _weights_name(weights: str | None) -> str | None:
    """Local checkpoints are named by content, so that a record does not depend on where they lie."""
    path = None if weights is None else Path(weights).expanduser()
    return f"sha256:{hash_file(path)}" if path and path.is_file() else weights
