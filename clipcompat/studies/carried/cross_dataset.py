"""Cross-dataset: a plug-in tuned on all classes of a source, tested on other sets, before and after an upgrade.

Protocol of CoCoOp (arXiv 2203.05557), MaPLe and DPC: tuned on ImageNet, tested on the other ten sets, each among its
own names. The papers test on one backbone; here also on the new one, with zero-shot beside it. Only methods whose
classifier is made of names can be tested so. DPC classifies a name of the source with P_b, every other one with P_n.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.common.frames import to_dataframe
from clipcompat.common.progress import Progress, showing
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import correct
from clipcompat.studies.compatibility import check_start, look_once
from clipcompat.studies.experiment import Experiment, training_facts
from clipcompat.studies.ood import Accuracies, accuracies_of, mean_accuracies, sides_of
from clipcompat.training.learner import Method

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Target:
    """Another set than the source, with the accuracies on its test pictures among its own classes."""

    dataset: str
    classes: int
    there: Accuracies


@dataclass(frozen=True)
class CrossDataset:
    """One plug-in, one upgrade, a source and other sets. seed: of the training; None for an import without one."""

    method: str
    dataset: str
    seed: int | None
    on_source: Accuracies
    targets: tuple[Target, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values: numbers on the source; their means over the targets, as "targets_old" …; and each target."""
        what = {"method": self.method, "dataset": self.dataset, "seed": self.seed}
        means = {f"targets_{k}": v for k, v in mean_accuracies([target.there for target in self.targets]).items()}
        return what | asdict(self.on_source) | means | {"targets": [asdict(target) for target in self.targets]}

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row per set, the source first.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        others = [{"dataset": t.dataset, "classes": t.classes, **asdict(t.there)} for t in self.targets]
        return to_dataframe([{"dataset": self.dataset, **asdict(self.on_source)}, *others])


def cross_dataset(
    plugin: Plugin,
    upgrade: Upgrade,
    source: Dataset,
    targets: Sequence[Dataset],
    *,
    retrained: Plugin | bool = True,
    cache: Cache = None,
    progress: Progress | bool | None = None,
) -> CrossDataset:
    """Test a plug-in on its source and on other sets, before and after an upgrade.

    Args:
        plugin: tuned on `upgrade.old`, on `source`.
        targets: of each, the test pictures and the class names are used. A student of PromptKD is tested as it is; its
            papers train it again on the pictures of every target.
        retrained: True trains the same method on new, with the plug-in's own seed and views; a Plugin is used as it is;
            False leaves the numbers of retraining empty.
        progress: see `clipcompat.fit`.

    Raises:
        IncompatibleError: the method has tensors of single classes, or they cannot act on one of the backbones.
        ConfigError: there is no target; or the plug-in was not tuned on `upgrade.old` or, where it is to be trained
            again, not on `source.train`.
    """
    if not targets:
        raise ConfigError("there is no other set; give one or more data sets to test the plug-in on.")
    check_start(plugin, upgrade, source, retrained is True)
    _check_method(plugin.method)
    with showing(progress) as told:
        for data in (source, *targets):
            look_once(plugin, upgrade, [data], cache, told)
        on = sides_of(plugin, upgrade, source, retrained, cache, told)
        first, *others = (
            accuracies_of({side: correct(*its, data.test, cache=cache, progress=told) for side, its in on.items()})
            for data in (source, *targets)
        )
    found = tuple(Target(d.name, len(d.classnames), there) for d, there in zip(targets, others, strict=True))
    return CrossDataset(plugin.method.name, source.name, plugin.origin["seed"], first, found)


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: `CrossDataset.to_dict`, and views, crop, epochs, final loss and seconds of the training."""
    _check_method(experiment.plugins.method)  # before anything is trained
    how = experiment.options
    for data, plugin, again in experiment.tuned():
        report = cross_dataset(plugin, experiment.upgrade, data, experiment.others, retrained=again, **how)
        yield report.to_dict() | training_facts(plugin, *([again] if again else []))


def _check_method(method: Method) -> None:
    if method.class_specific:
        raise IncompatibleError(
            f"{method.name} has tensors of the source's classes, so that it cannot name the classes of another set. "
            "The cross-dataset protocol takes methods that make a classifier of names, such as coop."
        )
