"""Every study by its name. Adding one: a file here, a line in STUDIES, a test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from clipcompat.studies import base_to_new, compatibility, ood
from clipcompat.studies.carried import chain, cross_tower, mixture, repair, shuffled, warm_start
from clipcompat.studies.drift import drift, swap
from clipcompat.studies.experiment import Experiment


@dataclass(frozen=True)
class Study:
    """measure: an experiment -> one row per seed.

    all_classes: it divides, or restricts, the classes itself, so that a part of them cannot be asked for.
    shifted: its experiment has the shifted test sets of the dataset.
    whole_family: it loads the generations after the upgrade's new one too, so that its numbers depend on them.
    """

    measure: Callable[[Experiment], Iterator[dict[str, Any]]]
    all_classes: bool = False
    shifted: bool = False
    whole_family: bool = False


STUDIES = {
    "compatibility": Study(compatibility.measure),
    "base_to_new": Study(base_to_new.measure, all_classes=True),
    "chain": Study(chain.measure, whole_family=True),
    "ood": Study(ood.measure, all_classes=True, shifted=True),
    "drift": Study(drift.measure),
    "swap": Study(swap.measure),
    "warm_start": Study(warm_start.measure),
    "cross_tower": Study(cross_tower.measure),
    "shuffled": Study(shuffled.measure),
    "repair": Study(repair.measure),
    "mixture": Study(mixture.measure, all_classes=True),
}
