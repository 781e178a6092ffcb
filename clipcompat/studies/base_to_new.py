"""A plug-in that was tuned on base classes, tested on base classes, on new classes, and on both at once.

Papers: CoCoOp (arXiv 2203.05557) and DPC (arXiv 2503.13443). Base classes are the first ceil(n/2) labels, new classes
the rest. The papers test each half among its own names; `joint` is the accuracy over all images among all names. "old"
and "new backbone" are of the upgrade, "base" and "new" of the class list.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache, Progress
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import accuracy
from clipcompat.studies.experiment import Experiment
from clipcompat.studies.report import harmonic_mean
from clipcompat.training.learner import Method


@dataclass(frozen=True)
class BaseToNew:
    """Accuracies in percent. base, new: of the images of either half among the names of that half.

    joint: of all test images among all names.
    """

    base: float
    new: float
    joint: float

    @property
    def h_classes(self) -> float:
        """Harmonic mean of base and new."""
        return harmonic_mean(self.base, self.new)

    def to_dict(self) -> dict[str, float]:
        return {"base": self.base, "new": self.new, "h_classes": self.h_classes, "joint": self.joint}


def base_to_new(
    plugin: Plugin, backbone: Backbone, data: Dataset, *, cache: Cache = None, progress: Progress | None = None
) -> BaseToNew:
    """Test a plug-in on both halves of the classes.

    Args:
        plugin: tuned on `data.base_classes()`, or not tuned at all (zero-shot). A student of PromptKD reads no labels,
            and is tuned on all classes, as upstream does; then its teacher is what was tuned on base classes.
        data: all classes.

    Raises:
        ConfigError: the plug-in was tuned on other classes.
        IncompatibleError: its method has vectors for single classes, so that it cannot act on new ones.
    """
    base, new = data.base_classes(), data.new_classes()
    all_at_once = plugin.method.takes_teacher and plugin.origin["classnames"] == list(data.classnames)
    if plugin.method.needs != "nothing" and not all_at_once and plugin.origin["classnames"] != list(base.classnames):
        raise ConfigError(
            f"the plug-in was tuned on {len(plugin.origin['classnames'])} classes, which are not the base classes of "
            f"{data.name} ({len(base.classnames)} of {len(data.classnames)}). Tune it on data.base_classes()."
        )
    parts = [accuracy(plugin, backbone, part.test, cache=cache, progress=progress) for part in (base, new, data)]
    return BaseToNew(*parts)


def tuned_on(method: Method, data: Dataset) -> Dataset:
    """What a method is tuned on here: base classes; a student of PromptKD, on the pictures of all classes.

    Raises:
        ConfigError: the teacher of a student would read labels of new classes.
    """
    learner = method.starts_from or method
    if not learner.takes_teacher:
        return data.base_classes()
    if learner.teacher_classes != "base":
        setting = "teacher_classes=base" if learner is method else "learner.teacher_classes=base"
        raise ConfigError(f"the teacher of {learner.name} must not read labels of new classes here: set {setting}.")
    return data


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: base, new, h_classes and joint, each behind whose numbers they are.

    old: of the plug-in on the old backbone. carried: of the same on the new one. retrained: of one tuned there.
    zs_old, zs_new: zero-shot. See `tuned_on`.
    """
    upgrade, plugins = experiment.upgrade, experiment.plugins
    for seed, data in experiment.datasets.items():
        base = {seed: tuned_on(plugins.method, data)}
        plugin = plugins.tune(upgrade.old, base)[seed]
        zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
        tested = {
            "old": (plugin, upgrade.old),
            "carried": (plugin, upgrade.new),
            "zs_old": (zero_shot, upgrade.old),
            "zs_new": (zero_shot, upgrade.new),
        }
        if experiment.retrains:
            tested["retrained"] = (plugins.tune(upgrade.new, base)[seed], upgrade.new)
        row = {"seed": seed, "views": plugin.origin["views"]}
        for whose, (its, backbone) in tested.items():
            row |= {
                f"{whose}_{k}": v for k, v in base_to_new(its, backbone, data, **experiment.options).to_dict().items()
            }
        seconds = {whose: its.origin["seconds"] for whose, (its, _) in tested.items() if whose in ("old", "retrained")}
        yield row | {"training_seconds": seconds}
