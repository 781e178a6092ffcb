"""Out of distribution: a plug-in tuned on a source and tested on shifted pictures, before and after an upgrade.

Paper: ContCoOp (arXiv 2412.20895), Table 3: tuned on ImageNet, tested on ImageNet, -V2, -Sketch, -A and -R, on the old
backbone. Here also on the new one, with zero-shot and retraining beside it.

ImageNet-A and -R have 200 of the 1,000 classes. As in CoOp's code, prompt methods and CLIP-Adapter build their
classifier of the 200 names. A method with tensors of single classes (linear probe, Tip-Adapter, CoOp with csc=True) has
logits of the source's classes, of which those 200 are kept. For the first kind both ways are the same.

The source's accuracy over all classes is no measure for a set of fewer: choosing among 200 is easier than among 1,000.
So every shifted set is reported beside the source's own pictures of the same classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.common.frames import to_dataframe
from clipcompat.common.progress import Progress, showing
from clipcompat.data.shifted import class_map
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import checked_logits, percent
from clipcompat.studies.compatibility import check_start, look_once, train_again
from clipcompat.studies.experiment import Experiment, training_facts

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Accuracies:
    """Of one set of pictures, in percent.

    old, new: the same plug-in on both backbones. zs_old, zs_new: zero-shot. retrained: the same method, shots and seed
    trained on new; None if that was not asked for. negative_flips: images right on old and wrong on new.
    """

    old: float
    new: float
    zs_old: float
    zs_new: float
    retrained: float | None
    negative_flips: float


@dataclass(frozen=True)
class Shift:
    """One shifted set. classes: their number. there: on its pictures. source: on the source's of the same classes."""

    dataset: str
    classes: int
    there: Accuracies
    source: Accuracies


@dataclass(frozen=True)
class Robustness:
    """One plug-in, one upgrade, a source and its shifted sets.

    on_source: over all classes of the source. seed: of the training; None for an import that does not know it.
    """

    method: str
    dataset: str
    seed: int | None
    on_source: Accuracies
    shifts: tuple[Shift, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values: numbers on the source; their means over the shifted sets, as "shifted_old" …; and each set."""
        means = {f"shifted_{k}": v for k, v in mean_accuracies([shift.there for shift in self.shifts]).items()}
        what = {"method": self.method, "dataset": self.dataset, "seed": self.seed}
        return what | asdict(self.on_source) | means | {"shifts": [asdict(shift) for shift in self.shifts]}

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row per set, the source first, with its accuracies. "same_classes_…": on the source, of its classes.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        rows = [{"dataset": self.dataset, **asdict(self.on_source)}]
        for shift in self.shifts:
            same = {f"same_classes_{name}": value for name, value in asdict(shift.source).items()}
            rows.append({"dataset": shift.dataset, "classes": shift.classes, **asdict(shift.there), **same})
        return to_dataframe(rows)


def robustness(
    plugin: Plugin,
    upgrade: Upgrade,
    source: Dataset,
    shifted: Sequence[Dataset],
    *,
    retrained: Plugin | bool = True,
    cache: Cache = None,
    progress: Progress | bool | None = None,
) -> Robustness:
    """Test a plug-in on the source and on shifted sets, before and after an upgrade.

    Args:
        plugin: tuned on `upgrade.old`, on `source`.
        shifted: their classes are the source's, or some of them, in any order; of each, the test pictures are used.
        retrained: True trains the same method on new, with the plug-in's own seed and views; a Plugin is used as it is;
            False leaves the numbers of retraining empty.
        progress: see `clipcompat.fit`.

    Raises:
        DataError: a shifted set has a class that the source has not; it is named. IncompatibleError: the plug-in's
        tensors cannot act on one of the backbones. ConfigError: there is no shifted set; or the plug-in was not tuned
        on `upgrade.old` or, where it is to be trained again, not on `source.train`.
    """
    if not shifted:
        raise ConfigError("there is no shifted set; give one or more data sets whose classes are among the source's.")
    maps = [class_map(source, data) for data in shifted]
    check_start(plugin, upgrade, source, retrained is True)
    with showing(progress) as told:
        look_once(plugin, upgrade, [source, *shifted], cache, told)
        on = sides_of(plugin, upgrade, source, retrained, cache, told)
        right = {side: _right(*where, source, shifted, maps, cache, told) for side, where in on.items()}
    first, *others = (accuracies_of(dict(zip(right, same, strict=True))) for same in zip(*right.values(), strict=True))
    pairs = zip(shifted, others[::2], others[1::2], strict=True)
    shifts = tuple(Shift(data.name, len(data.classnames), there, same) for data, there, same in pairs)
    return Robustness(plugin.method.name, source.name, plugin.origin["seed"], first, shifts)


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: `Robustness.to_dict`, and views, crop, epochs, final loss and seconds of the training."""
    for data in experiment.others:  # before anything is trained
        class_map(next(iter(experiment.datasets.values())), data)
    for data, plugin, again in experiment.tuned():
        report = robustness(plugin, experiment.upgrade, data, experiment.others, retrained=again, **experiment.options)
        yield report.to_dict() | training_facts(plugin, *([again] if again else []))


def sides_of(
    plugin: Plugin, upgrade: Upgrade, source: Dataset, retrained: Plugin | bool, cache: Cache, progress: Progress | None
) -> dict[str, tuple[Plugin, Backbone]]:
    """Field of `Accuracies` -> whose it is, and on which backbone. retrained: as for `robustness`."""
    zero_shot = fit(ZeroShot(), upgrade.old, source, progress=False)
    again = train_again(plugin, upgrade.new, source, cache, progress) if retrained is True else retrained
    on = {"old": (plugin, upgrade.old), "new": (plugin, upgrade.new)}
    on |= {"zs_old": (zero_shot, upgrade.old), "zs_new": (zero_shot, upgrade.new)}
    return on | ({"retrained": (again, upgrade.new)} if again else {})


def _right(
    plugin: Plugin,
    backbone: Backbone,
    source: Dataset,
    shifted: Sequence[Dataset],
    maps: Sequence[Sequence[int]],
    cache: Cache,
    progress: Progress | None,
) -> list[Tensor]:
    """Which pictures are right, [image] each: the source's; then of every shifted set, there and on the source's of the
    same classes.
    """
    options = {"cache": cache, "progress": progress}
    labels = source.test.labels
    logits = checked_logits(plugin, backbone, source.test, **options).cpu()  # [image, class]
    found = [logits.argmax(-1) == labels]
    for data, its_labels in zip(shifted, maps, strict=True):
        kept = torch.tensor(its_labels)
        there = data.test
        if plugin.method.class_specific:
            there = replace(there, classnames=source.classnames, labels=kept[there.labels])
            its = checked_logits(plugin, backbone, there, **options).cpu()[:, kept]
        else:
            its = checked_logits(plugin, backbone, there, **options).cpu()
        found.append(its.argmax(-1) == data.test.labels)
        same = torch.isin(labels, kept)
        found.append(kept[logits[same][:, kept].argmax(-1)] == labels[same])
    return found


def accuracies_of(right: Mapping[str, Tensor]) -> Accuracies:
    """right: side -> which pictures are classified correctly, [image]."""
    sides = {"retrained": None} | {side: percent(hits) for side, hits in right.items()}
    return Accuracies(**sides, negative_flips=percent(right["old"] & ~right["new"]))


def mean_accuracies(found: Sequence[Accuracies]) -> dict[str, float | None]:
    """Of every number the mean over sets; None where the sets have none."""
    sides = {name: [asdict(one)[name] for one in found] for name in asdict(found[0])}
    return {name: None if None in values else fmean(values) for name, values in sides.items()}
