"""One run: a method tuned on the old backbone of an upgrade, over seeds, tested on both; a record at the end.

A run that was killed continues: features already encoded are in the cache, and plug-ins already tuned are in a folder
beside the records, where every run finds them. One plug-in serves all upgrades that start, or end, at its backbone.
A run that is finished is not run again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcompat.backbones.device import pick_device, pick_dtype
from clipcompat.backbones.upgrade import (
    Upgrade,
    later_weights,
    load_upgrade,
    name_upgrade,
    name_weights,
    shipped_weights,
)
from clipcompat.common.config import to_config
from clipcompat.common.errors import ConfigError, DataError, unknown_name
from clipcompat.common.files import check_writable
from clipcompat.common.version import code_hash
from clipcompat.data.custom.address import load_own
from clipcompat.data.kind import dataset_kind
from clipcompat.data.load import load_dataset
from clipcompat.data.pictures.broken import skip_broken
from clipcompat.data.pictures.images import hash_contents
from clipcompat.data.shifted import shifted_names
from clipcompat.data.split import Dataset
from clipcompat.data.targets import other_names, target_names
from clipcompat.features.encode import Cache, Progress
from clipcompat.methods import KNOWN
from clipcompat.methods.defaults import configured_method
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.paths import check_carries
from clipcompat.runs.records import Record, environment, now, read_record, record_path, write_record
from clipcompat.runs.request import Request
from clipcompat.runs.titles import make_titles
from clipcompat.studies.experiment import Experiment
from clipcompat.studies.registry import STUDIES
from clipcompat.training.learner import Method
from clipcompat.training.loop import DEFAULT_VIEWS

# Measured between two processors, 410 rows of one seed each: 18 of the linear probe differed, by 2.4 points at most,
# 5 of CLIP-Adapter, 1 of CoOp, none of the other methods. The tolerances are our choice, about twice that.
_TOLERANCE = {"linear_probe": 5.0}  # its search for C can end elsewhere
_TRAINED, _UNTRAINED = 2.0, 0.2
# what a study names -> a source's further sets
_OTHERS = {"shifted": shifted_names, "targets": target_names, "elsewhere": other_names}


@dataclass(frozen=True)
class Run(Request):
    """A request that can be executed; its method, settings, device and dtype are checked too when it is made."""

    def __post_init__(self):
        if self.method not in KNOWN:
            raise unknown_name("method", self.method, KNOWN)
        if self.study not in STUDIES:
            raise unknown_name("study", self.study, STUDIES)
        super().__post_init__()
        study = STUDIES[self.study]
        if study.others:
            _OTHERS[study.others](self.dataset)
        if study.all_classes and self.classes != "all":
            raise ConfigError(f"the study {self.study} tests all classes, not {self.classes!r}; leave classes out.")
        method = self.configured_method()
        if self.views is not None and "recipe" not in to_config(method):
            raise ConfigError(f"{self.method} trains on no augmented views; leave views out.")
        pick_dtype(pick_device(self.device), self.dtype)

    def configured_method(self) -> Method:
        """The method with its settings.

        Raises:
            ConfigError, UnknownNameError: a setting that the method does not have, or a value out of range.
        """
        return configured_method(self.method, self.dataset, self.upgrade, self.settings)

    def execute(
        self,
        out: str | Path,
        cache: Cache = None,
        progress: Progress | None = None,
        say: Callable[[str], None] = lambda sentence: None,
        load: Callable[..., Upgrade] = load_upgrade,
    ) -> tuple[Record, Path]:
        """Run it, or find it already done: the record and its file.

        say: gets one sentence per finished seed. load: `load_upgrade`, or one that keeps what it loaded.
        """
        (datasets, skipped), others = self.datasets(progress), self.others(progress)
        for split in (s for data in (*datasets.values(), *others) for s in (data.train, data.val, data.test)):
            hash_contents(split, cache, progress)
        inputs = self._all_inputs(datasets, others)
        path = record_path(out, self.study, inputs)
        if path.exists():
            record = read_record(path)
            if record.inputs != inputs:
                raise DataError(f"{path} holds the record of other inputs than its name says; delete it and run again.")
            say(f"already done: {path}{_by_other_code(record)}")
            return record, path

        check_writable(out)  # before hours of work, and not after them
        started, clock = now(), time.monotonic()
        upgrade = self.backbones(load)
        check_carries(self.configured_method(), upgrade.old, [upgrade.new], next(iter(datasets.values())).classnames)
        plugins = self._plugins(Path(out) / "plugins", upgrade, datasets, cache, progress)
        rows, seconds = [], []
        experiment = Experiment(upgrade, datasets, plugins, inputs["retrain"], cache, progress, others)
        for row in STUDIES[self.study].measure(experiment):
            seed = row["seed"]
            seconds.append(row.pop("training_seconds", {}))
            row |= self._facts(seed, datasets[seed]) | ({"skipped": s} if (s := skipped.get(seed)) else {})
            rows.append(row)
            say(f"{self._called(seed)}: {_told(row)}")
        record = Record(
            study=self.study,
            inputs=inputs,
            titles=make_titles(inputs),
            per_seed=rows,
            backbones={side: b.description for side, b in (("old", upgrade.old), ("new", upgrade.new))},
            environment=environment(upgrade.old.device) | {"tolerance": tolerance(self.method)},
            started=started,
            seconds=round(time.monotonic() - clock, 1),
            training_seconds=seconds,  # also of plug-ins that an interrupted run had left
        )
        write_record(out, record)
        return read_record(path), path

    def record_file(self, out: str | Path) -> Path:
        """Where the record of this run is, or will be. Looks at the data for it, at no backbone."""
        return record_path(out, self.study, self._all_inputs(self.datasets()[0], self.others()))

    def set_names(self) -> tuple[str, ...]:
        """The data sets that it reads: its own, then the further ones of its study."""
        which = STUDIES[self.study].others
        return (self.dataset, *(_OTHERS[which](self.dataset) if which else ()))

    def datasets(self, progress: Progress | None = None) -> "tuple[dict[int, Dataset], dict[int, Any]]":
        """The dataset of every seed, and the keys of the pictures that were left out of it, if that was asked for."""
        datasets, skipped = {seed: self._data(seed) for seed in self.seeds}, {}
        if self.skip_broken:
            known: dict[str, str | None] = {}  # seeds share their test pictures
            for seed, data in datasets.items():
                datasets[seed], skipped[seed] = skip_broken(data, progress, known)
        return datasets, skipped

    def others(self, progress: Progress | None = None) -> "tuple[Dataset, ...]":
        """The further sets of the dataset, for a study that has some; else none."""
        style = {} if dataset_kind(self.dataset) == "mini" else {"templates": self.templates, "root": self.root}
        found = [load_dataset(name, **style) for name in self.set_names()[1:]]
        return tuple(skip_broken(data, progress)[0] if self.skip_broken else data for data in found)

    def backbones(self, load: Callable[..., Upgrade] = load_upgrade) -> Upgrade:
        """The upgrade, loaded."""
        weights = {"old_weights": self.old_weights, "new_weights": self.new_weights}
        return load(self.upgrade, **weights, device=pick_device(self.device), dtype=self.dtype)

    def _plugins(self, folder: Path, upgrade: Upgrade, datasets, cache: Cache, progress) -> TunedPlugins:
        """Where the study finds its plug-ins."""
        return TunedPlugins(folder, self.configured_method(), self.views, self.memory, cache, progress)

    def _called(self, seed: int) -> str:
        """What a sentence calls the run of a seed."""
        return f"seed {seed}"

    def _facts(self, seed: int, data: Dataset) -> dict[str, Any]:
        """What a row says besides its numbers."""
        drawn = self.indices is not None or data.kind != "mini"  # else name, shots and seed tell the few-shot set
        return {"indices": data.indices if drawn else None}

    def _data(self, seed: int) -> Dataset:
        return self._load({"shots": self.shots, "seed": seed, "allow_fewer": self.allow_fewer})

    def _load(self, draw: dict[str, Any]) -> Dataset:
        draw |= {"indices": self.indices}
        kind = dataset_kind(self.dataset)
        if kind == "own":
            own = {"style": self.templates, "template": self.template, "names": self.names, "upright": self.upright}
            data = load_own(self.dataset, root=self.root, **own, **draw)
        else:
            style = {} if kind == "mini" else {"templates": self.templates, "repeat": self.repeat}
            data = load_dataset(self.dataset, **style, root=self.root, **draw)
        if self.indices is not None and self.shots not in (16, data.shots):  # 16: most likely the default
            raise ConfigError(
                f"{self.indices} lists {data.shots} images per class, and shots is {self.shots}; leave shots out."
            )
        return data.part(self.classes)

    def _all_inputs(self, datasets: dict[int, Dataset], others: tuple[Dataset, ...]) -> dict[str, Any]:
        stamps = {data.name: data.test.stamp for data in others}
        which = {STUDIES[self.study].others: stamps} if stamps else {}
        return self._inputs(self.configured_method(), datasets) | which

    def _inputs(self, method: Method, datasets: dict[int, Dataset]) -> dict[str, Any]:
        """Everything the numbers depend on; no path of this machine, and one spelling for what is the same."""
        data = next(iter(datasets.values()))
        given = (self.old_weights, self.new_weights)
        shipped = [None if w else h for w, h in zip(given, shipped_weights(self.upgrade), strict=True)]
        return {
            **self.recorded(),
            "upgrade": name_upgrade(self.upgrade),
            "method": {"name": method.name, "config": to_config(method)},
            "dataset": data.name.partition("[")[0],  # one name, whichever alias was typed
            **({"split": "own"} if data.own_split else {}),  # the published split needs no word
            "shots": data.shots,  # a list of images brings its own number
            **self._text(data),
            "old_weights": name_weights(self.old_weights),
            "new_weights": name_weights(self.new_weights),
            "shipped": shipped,
            **({"later": later_weights(self.upgrade)} if STUDIES[self.study].whole_family else {}),
            "views": DEFAULT_VIEWS if self.views is None else self.views,
            "dtype": str(pick_dtype(pick_device(self.device), self.dtype)).removeprefix("torch."),
            "stamps": {str(seed): self._stamps(d) for seed, d in datasets.items()},
        }

    def _stamps(self, data: Dataset) -> dict[str, str]:
        """The stamps of the splits. Where a mini set is drawn, the one of train tells val."""
        val = {} if data.kind == "mini" and self.indices is None else {"val": data.val.stamp}
        return {"train": data.train.stamp, **val, "test": data.test.stamp}

    def _text(self, data: Dataset) -> dict[str, Any]:
        """Of the inputs, the words around class names, where the name of the data set does not tell them."""
        if data.kind == "own":
            return {"template": data.test.template, "classnames": list(data.classnames)}
        return {} if data.kind == "mini" else {"templates": self.templates, "repeat": self.repeat}


def _told(row: dict[str, Any]) -> str:
    """The first numbers of a row, in words."""
    numbers = [f"{k} {v:.2f}" for k, v in row.items() if type(v) is float]
    return ", ".join(numbers[:2]) or "done"


def tolerance(method: str) -> float:
    """Percentage points by which an accuracy of one seed may differ on another processor, whose arithmetic rounds
    otherwise, with equal inputs and an equal code hash.

    method: its name. One that this version does not have counts as trained.
    """
    trained = method not in KNOWN or "recipe" in to_config(KNOWN[method]())
    return _TOLERANCE.get(method, _TRAINED if trained else _UNTRAINED)


def _by_other_code(record: Record) -> str:
    """Words that warn of a record whose numbers this state of the code may not make."""
    made = record.environment.get("code")
    if made == code_hash():
        return ""
    whose = f"state {made}" if made else "a state that it does not name"
    return (
        f" (made by another state of the code that decides numbers: {whose}, now {code_hash()}. Numbers may differ; "
        "delete the file, or choose another --out, to run again)"
    )
