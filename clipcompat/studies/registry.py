"""Every study by its name. Adding one: a file here, a line in STUDIES, a test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from clipcompat.studies import base_to_new, compatibility, ood
from clipcompat.studies.carried import (
    chain,
    cross_dataset,
    cross_tower,
    elsewhere,
    focal,
    maps,
    mixture,
    repair,
    shuffled,
    signs,
    stored_vectors,
    warm_start,
    without_pictures,
)
from clipcompat.studies.drift import drift, swap
from clipcompat.studies.experiment import Experiment


@dataclass(frozen=True)
class Study:
    """measure: an experiment -> one row per seed.

    all_classes: it divides, or restricts, the classes itself, so that a part of them cannot be asked for.
    others: which further sets its experiment has: the dataset's "shifted" test sets, its "targets" (other classes), or
        all the other sets ("elsewhere").
    whole_family: it loads the generations after the upgrade's new one too, so that its numbers depend on them.
    """

    measure: Callable[[Experiment], Iterator[dict[str, Any]]]
    all_classes: bool = False
    others: Literal["", "shifted", "targets", "elsewhere"] = ""
    whole_family: bool = False


STUDIES = {
    "compatibility": Study(compatibility.measure),
    "base_to_new": Study(base_to_new.measure, all_classes=True),
    "chain": Study(chain.measure, whole_family=True),
    "ood": Study(ood.measure, all_classes=True, others="shifted"),
    "cross_dataset": Study(cross_dataset.measure, all_classes=True, others="targets"),
    "drift": Study(drift.measure),
    "swap": Study(swap.measure),
    "warm_start": Study(warm_start.measure),
    "cross_tower": Study(cross_tower.measure),
    "shuffled": Study(shuffled.measure),
    "repair": Study(repair.measure),
    "without_pictures": Study(without_pictures.measure),
    "maps": Study(maps.measure),
    "elsewhere": Study(elsewhere.measure, others="elsewhere"),
    "focal": Study(focal.measure),
    "signs": Study(signs.measure),
    "stored_vectors": Study(stored_vectors.measure),
    "stored_means": Study(stored_vectors.measure_means),
    "mixture": Study(mixture.measure, all_classes=True),
}
