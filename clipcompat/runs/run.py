"""One run: a method tuned on the old backbone of an upgrade, over seeds, tested on both; a record at the end.

A run that was killed continues: features already encoded are in the cache, and plug-ins already tuned are in a folder
beside the records, where every run finds them: one plug-in serves all upgrades that start, or end, at its backbone.
A run that is finished is not run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from clipcompat.backbones.device import pick_device, pick_dtype
from clipcompat.backbones.upgrade import UPGRADES, Upgrade, load_upgrade, shipped_weights
from clipcompat.common.config import override, to_config
from clipcompat.common.errors import ConfigError, DataError, unknown_name
from clipcompat.common.files import check_writable, hash_file
from clipcompat.data.custom.address import is_own, load_own
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.sets import SETS
from clipcompat.data.pictures.broken import skip_broken
from clipcompat.data.public.layout import find_layout
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Progress
from clipcompat.methods import METHODS
from clipcompat.methods.defaults import default_method
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.runs.answers import already_done, keep_answer, looked_at
from clipcompat.runs.records import environment, now, read_record, record_id, record_path, write_record
from clipcompat.runs.tables import compatibility_table
from clipcompat.studies.compatibility import compatibility
from clipcompat.training.learner import Method
from clipcompat.training.loop import DEFAULT_VIEWS

STUDY = "compatibility"
CLASSES = ("all", "base", "new")


@dataclass(frozen=True)
class Run:
    """What to run; see `clipcompat run --help`.

    settings: `key=value` overrides of the method's fields. templates: style of the zero-shot classifier, which also is
    a part of CLIP-Adapter and Tip-Adapter; "tip7" gives ImageNet seven sentences, as the paper's tables seem to have
    done, and changes nothing elsewhere. Mini datasets bring their own. template, names, upright: of somebody's own
    pictures ("folder:PATH", "csv:PATH"), as in `clipcompat.data.custom.address.load_own`. repeat: Tip-Adapter's draw,
    which fills small classes up by drawing again and validates on the whole list. skip_broken: see
    `clipcompat.data.pictures.broken`. memory: gigabytes that the text tower may take in training; no number depends on
    it.
    """

    method: str
    dataset: str
    upgrade: str
    seeds: tuple[int, ...] = (1, 2, 3)
    shots: int | None = 16
    templates: str = "tip7"
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
    repeat: bool = False
    skip_broken: bool = False
    template: str | None = None
    names: str | None = None
    upright: bool = False
    memory: float | None = None

    def __post_init__(self):
        for kind, name, known in [
            ("method", self.method, METHODS),
            ("upgrade", self.upgrade, UPGRADES),
            ("classes", self.classes, CLASSES),
        ]:
            if name not in known:
                raise unknown_name(kind, name, known)
        if self.views is not None and self.views < 0:
            raise ConfigError(f"views must be 0 (augment on the fly) or more, not {self.views}.")
        if is_own(self.dataset) and self.repeat:
            raise ConfigError("repeat is Tip-Adapter's draw of public data sets; leave it out for your own pictures.")
        if not is_own(self.dataset) and (self.template or self.names):
            raise ConfigError(f"{self.dataset} has its own words; template and names are for folder:PATH and csv:PATH.")
        if self.template == "":
            raise ConfigError("the template is empty; write a sentence with {} where the class name goes.")
        if not is_own(self.dataset) and self.upright:
            raise ConfigError(f"{self.dataset} is read as published; upright is for folder:PATH and csv:PATH.")
        if self.memory is not None and not self.memory > 0:
            raise ConfigError(f"memory is a number of gigabytes above 0, not {self.memory}.")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds must be one or more different numbers, not {list(self.seeds)}.")
        # of several runs, a name or a setting that cannot be meant is refused before the first has cost anything
        self.configured_method()
        pick_dtype(pick_device(self.device), self.dtype)
        if self.dataset.startswith("mini/"):
            if self.dataset not in SETS:
                raise unknown_name("mini dataset", self.dataset, SETS)
        elif not is_own(self.dataset):
            find_layout(self.dataset)

    def configured_method(self) -> Method:
        """The method with its settings.

        Raises:
            ConfigError, UnknownNameError: a setting that the method does not have, or a value that cannot be meant.
        """
        return override(default_method(self.method, self.dataset, self.upgrade), self.settings)

    def execute(
        self, out: str | Path, cache: str | Path | None = None, progress: Progress | None = None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> tuple[dict[str, Any], Path]:  # fmt: skip
        """Run it, or find it already done: the record and its file. `say` gets one sentence on what happens."""
        began = time.time()
        method = self.configured_method()
        datasets = {seed: self._data(seed) for seed in self.seeds}
        skipped: dict[int, dict[str, list[str]]] = {}
        if self.skip_broken:
            known: dict[str, str | None] = {}  # seeds share their test pictures
            for seed, data in datasets.items():
                datasets[seed], skipped[seed] = skip_broken(data, progress, known)
        inputs = self._inputs(method, datasets, pick_dtype(pick_device(self.device), self.dtype))
        path, seen = record_path(out, STUDY, inputs), looked_at(asdict(self), datasets.values(), began)
        if path.exists():
            record = read_record(path)
            if record["inputs"] != inputs:
                raise DataError(f"{path} holds another run than its name says; delete it and run again.")
            say(already_done(path))
        else:
            record = self._train_and_test(method, datasets, skipped, inputs, out, cache, progress, say)
        keep_answer(out, asdict(self), seen, record, path, str(compatibility_table([record])))
        return record, path

    def _train_and_test(self, method, datasets, skipped, inputs, out, cache, progress, say) -> dict[str, Any]:
        check_writable(out)  # before hours of work, and not after them
        started, clock = now(), time.monotonic()
        upgrade = load_upgrade(
            self.upgrade,
            old_weights=self.old_weights,
            new_weights=self.new_weights,
            device=pick_device(self.device),
            dtype=self.dtype,
        )
        tuned = TunedPlugins(Path(out) / "plugins", method, self.views, self.memory, cache, progress)
        if upgrade.old.device.type == "cuda":  # which single runs leave idle; a CPU saves seed by seed
            for backbone in (upgrade.old, upgrade.new)[: 1 + self._retrains(method)]:
                tuned.tune(backbone, datasets)
        rows, seconds = [], []
        for seed, data in datasets.items():
            row, took = self._one_seed(tuned, upgrade, data, seed, cache, progress)
            rows.append(row | ({"skipped": skipped[seed]} if skipped.get(seed) else {}))
            seconds.append(took)
            say(f"seed {seed}: old {rows[-1]['old']:.2f}, new {rows[-1]['new']:.2f}")
        record = {
            "id": record_id(inputs),
            "study": STUDY,
            "inputs": inputs,
            "per_seed": rows,
            "training_seconds": seconds,  # by seed, also of plug-ins that an interrupted run had left
            "backbones": {side: b.description for side, b in (("old", upgrade.old), ("new", upgrade.new))},
            "environment": environment(upgrade.old.device),
            "started": started,
            "seconds": round(time.monotonic() - clock, 1),
        }
        return read_record(write_record(out, record))

    def _data(self, seed: int) -> Dataset:
        draw = {"shots": self.shots, "seed": seed, "indices": self.indices, "allow_fewer": self.allow_fewer}
        if is_own(self.dataset):
            own = {"style": self.templates, "template": self.template, "names": self.names, "upright": self.upright}
            data = load_own(self.dataset, root=self.root, **own, **draw)
        else:
            style = {} if self.dataset.startswith("mini/") else {"templates": self.templates, "repeat": self.repeat}
            data = load_dataset(self.dataset, **style, root=self.root, **draw)
        return {"all": lambda: data, "base": data.base_classes, "new": data.new_classes}[self.classes]()

    def _inputs(self, method: Method, datasets: dict[int, Dataset], dtype: torch.dtype) -> dict[str, Any]:
        """Everything the numbers depend on; no path of this machine, and one spelling for what is the same."""
        data = next(iter(datasets.values()))
        given = (self.old_weights, self.new_weights)
        shipped = [None if w else h for w, h in zip(given, shipped_weights(self.upgrade), strict=True)]
        return {
            "method": {"name": method.name, "config": to_config(method)},
            "dataset": data.name.partition("[")[0],  # one name, whichever alias was typed
            **({"split": "own"} if data.own_split else {}),  # the published split needs no word
            "classes": self.classes,
            "shots": data.shots,  # a list of images brings its own number
            **self._text(data),
            "seeds": list(self.seeds),
            "upgrade": self.upgrade,
            "old_weights": _weights_name(self.old_weights),
            "new_weights": _weights_name(self.new_weights),
            "shipped": shipped,
            "views": DEFAULT_VIEWS if self.views is None else self.views,
            "dtype": str(dtype).removeprefix("torch."),
            "retrain": self.retrain,
            "stamps": {str(seed): {"train": d.train.stamp, "test": d.test.stamp} for seed, d in datasets.items()},
        }

    def _text(self, data: Dataset) -> dict[str, Any]:
        """Of the inputs, what a data set is put into words with, where its name does not say."""
        if is_own(data.name):
            return {"template": data.test.template, "classnames": list(data.classnames)}
        return {} if data.name.startswith("mini/") else {"templates": self.templates, "repeat": self.repeat}

    def _one_seed(
        self, tuned: TunedPlugins, upgrade: Upgrade, data: Dataset, seed: int, cache, progress
    ) -> tuple[dict, dict]:
        plugin = tuned.tune(upgrade.old, {seed: data})[seed]
        retrained = tuned.tune(upgrade.new, {seed: data})[seed] if self._retrains(tuned.method) else False
        report = compatibility(plugin, upgrade, data, retrained=retrained, cache=cache, progress=progress)
        origin = {k: plugin.origin[k] for k in ("views", "epochs", "final_loss")}
        # pictures of the miniature are numbered: dataset, shots and seed say which, and the stamp holds them to it
        known = self.indices is None and data.name.startswith("mini/")
        row = report.to_dict() | origin | {"indices": None if known else data.indices}
        return row, {"train": plugin.origin["seconds"], "retrain": retrained.origin["seconds"] if retrained else None}

    def _retrains(self, method: Method) -> bool:
        return self.retrain and method.needs != "nothing"


def _weights_name(weights: str | None) -> str | None:
    """Local checkpoints are named by content, so that a record does not depend on where they lie."""
    path = None if weights is None else Path(weights).expanduser()
    return f"sha256:{hash_file(path)}" if path and path.is_file() else weights
