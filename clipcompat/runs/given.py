"""Runs of plug-ins that exist already: nothing is tuned on old, and a record says which plug-ins it is of."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.config import to_config
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.common.files import digest
from clipcompat.data.kind import dataset_kind
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache, Progress
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.plugin import Plugin
from clipcompat.runs.run import Run
from clipcompat.studies.compatibility import compatibility
from clipcompat.studies.details import Details
from clipcompat.training.learner import Method

_log = logging.getLogger(__name__)

_TRAINING = ("dataset", "classnames", "template", "shots", "views", "epochs", "crop", "upright")


@dataclass(frozen=True)
class Given:
    """A plug-in and the name of its file, without the folder."""

    file: str
    plugin: Plugin

    @property
    def seed(self) -> int | None:
        return self.plugin.origin["seed"]

    @property
    def is_import(self) -> bool:
        """It comes from official code: nothing says which images it was tuned on."""
        return self.plugin.origin["train_stamp"] is None

    @property
    def training(self) -> str:
        """Equal for plug-ins that differ in their seed alone."""
        origin = self.plugin.origin
        facts = {key: origin.get(key) for key in _TRAINING}
        backbone = origin["backbone"]["stamp"]
        return digest([self.plugin.method.name, to_config(self.plugin.method), facts, backbone, self.is_import])


@dataclass(frozen=True)
class GivenPlugins(TunedPlugins):
    """The given plug-ins on the backbone that they were tuned on; on any other, those that training makes there."""

    given: Mapping[int | None, Given] = field(default_factory=dict)

    def tune(self, backbone: Backbone, datasets: Mapping[int, Dataset]) -> dict[int, Plugin]:
        plugins = {seed: self.given[seed].plugin for seed in datasets}
        here = {s: p for s, p in plugins.items() if p.is_tuned_on(backbone)}
        others = {seed: data for seed, data in datasets.items() if seed not in here}
        return here | (super().tune(backbone, others) if others else {})


@dataclass(frozen=True)
class GivenRun(Run):
    """A run of plug-ins that differ in their seed alone; `given_runs` makes them.

    Shots, views and settings are those of the plug-ins. Retraining is left out, with a warning that says why, where the
    dataset is not the one that they were tuned on.
    """

    given: tuple[Given, ...] = ()

    def configured_method(self) -> Method:
        return self.given[0].plugin.method

    def details(self, cache: Cache = None, progress: Progress | None = None) -> dict[str, Details]:
        """File name -> the plug-in's predictions for every test picture, on both backbones."""
        datasets, _ = self.datasets(progress)
        upgrade, options = self.backbones(), {"retrained": False, "cache": cache, "progress": progress}
        reports = {g.file: compatibility(g.plugin, upgrade, datasets[g.seed], **options) for g in self.given}
        return {file: report.details for file, report in reports.items()}

    @property
    def _by_seed(self) -> dict[int | None, Given]:
        return {given.seed: given for given in self.given}

    def _plugins(self, folder: Path, upgrade: Upgrade, datasets, cache: Cache, progress) -> TunedPlugins:
        for given in self.given:
            names = datasets[given.seed].classnames
            for backbone in (upgrade.old, upgrade.new):
                match = given.plugin.match(backbone, names)
                if match.kind == "incompatible":
                    raise IncompatibleError(f"{given.file}: {match.why}")
                if backbone is upgrade.old and not given.plugin.is_tuned_on(backbone):
                    tuned_on = given.plugin.origin["backbone"]
                    raise ConfigError(
                        f"{given.file} was tuned on {tuned_on['name']} (stamp {tuned_on['stamp']}), and the upgrade "
                        f"starts from {backbone.name} (stamp {backbone.stamp}). Give the upgrade that starts there, or "
                        "its weights (--old-weights)."
                    )
        views = self.given[0].plugin.origin["views"]
        made = (folder, self.configured_method(), views, self.memory, cache, progress)
        return GivenPlugins(*made, given=self._by_seed)

    def _called(self, seed: int | None) -> str:
        given = self._by_seed[seed]
        return f"{given.file} (plug-in {given.plugin.stamp[:8]})"

    def _facts(self, seed: int | None, data: Dataset) -> dict[str, Any]:
        given = self._by_seed[seed]
        trained_on = super()._facts(seed, data) if _is_tuned_on(given, data) else {"indices": None}
        stamps = {"file": given.file, "stamp": given.plugin.stamp, "source": given.plugin.origin.get("source")}
        if given.plugin.origin.get("unverified"):
            stamps["unverified"] = True  # its file has no checksum
        return trained_on | {"plugin": stamps}

    def _data(self, seed: int | None) -> Dataset:
        given = self._by_seed[seed]
        shots = given.plugin.origin["shots"]
        if shots is None and given.is_import:
            shots = 1  # unknown; only the test pictures matter
        data = self._load({"shots": shots, "seed": 1 if seed is None else seed, "allow_fewer": True})
        template, dataset = (given.plugin.origin[key] for key in ("template", "dataset"))
        if template is not None and dataset == data.name and digest(template) != digest(data.test.template):
            _log.warning(
                f"{given.file} was tuned with the template {template!r} and is tested with {data.test.template!r}, "
                "in zero-shot and in methods that contain it; --template or --templates changes that."
            )
        return data

    def _inputs(self, method: Method, datasets: dict[int, Dataset]) -> dict[str, Any]:
        inputs = super()._inputs(method, datasets)
        first, by_seed = self.given[0], self._by_seed
        origin = first.plugin.origin
        for seed in datasets:
            inputs["stamps"][str(seed)]["train"] = by_seed[seed].plugin.origin["train_stamp"]
        tuned_on = str(origin["dataset"] or "an unknown dataset").partition("[")[0]
        return inputs | {
            "plugins": {str(given.seed): given.plugin.stamp for given in self.given},
            "shots": origin["shots"],
            "views": origin["views"],
            "retrain": self.retrain and self._can_retrain(datasets),
            **({"imported": True} if first.is_import else {}),
            **({"tuned_on": tuned_on} if tuned_on != inputs["dataset"] else {}),
        }

    def _can_retrain(self, datasets: dict[int, Dataset]) -> bool:
        """Whether the same training is possible on new; a warning says why not."""
        if self.given[0].plugin.method.needs == "nothing":
            return True  # there is nothing to train
        for given in self.given:
            data = datasets[given.seed]
            if _is_tuned_on(given, data):
                continue
            why = (
                "it comes from official code, and its file does not say on which images and views it was trained"
                if given.is_import
                else f"it was tuned on other images than these training images of {data.name}"
            )
            _log.warning(
                f"{given.file} is not trained again on new: {why}. So its kept gain stays unknown; `clipcompat run` "
                "tunes a plug-in on both."
            )
            return False
        return True


def given_runs(plugins: Iterable[tuple[str, Plugin]], **request: Any) -> list[GivenRun]:
    """One run for plug-ins that differ in their seed alone, and one for each other plug-in.

    Args:
        plugins: the name of a file, and its plug-in.
        request: the fields of a `Request` but method, seeds, shots, views and settings.

    Raises:
        ConfigError, UnknownNameError: a field out of range, or two that contradict each other.
    """
    groups: list[dict[int | None, Given]] = []
    for file, plugin in plugins:
        given = Given(file, plugin)
        for group in groups:
            one = next(iter(group.values()))
            if given.seed is not None and given.seed not in group and one.training == given.training:
                group[given.seed] = given
                break
        else:
            groups.append({given.seed: given})
    runs = []
    for group in groups:
        first = next(iter(group.values())).plugin
        fields = request | _own_pictures(first, request)
        runs.append(GivenRun(first.method.name, seeds=tuple(group), given=tuple(group.values()), **fields))
    return runs


def _own_pictures(plugin: Plugin, request: dict[str, Any]) -> dict[str, Any]:
    """The user's own pictures are turned as those of the training, and get its sentence, if none is asked for."""
    if dataset_kind(request["dataset"]) != "own":
        return {}
    upright = {"upright": True} if plugin.sees_upright else {}
    asked = request.get("template") is not None or request.get("templates", "tip7") != "tip7"
    template = plugin.origin["template"]
    return upright | ({} if asked or not isinstance(template, str) else {"template": template})


def _is_tuned_on(given: Given, data: Dataset) -> bool:
    return given.plugin.origin["train_stamp"] == data.train.stamp
