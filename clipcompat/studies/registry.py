"""Every study by its name. Adding one: a file here, a line in STUDIES, a test."""

from collections.abc import Callable, Iterator
from typing import Any

from clipcompat.studies import base_to_new, compatibility, ood
from clipcompat.studies.carried import chain, cross_tower, shuffled, warm_start
from clipcompat.studies.drift import drift, swap
from clipcompat.studies.experiment import Experiment

STUDIES: dict[str, Callable[[Experiment], Iterator[dict[str, Any]]]] = {
    "compatibility": compatibility.measure,
    "base_to_new": base_to_new.measure,
    "chain": chain.measure,
    "ood": ood.measure,
    "drift": drift.measure,
    "swap": swap.measure,
    "warm_start": warm_start.measure,
    "cross_tower": cross_tower.measure,
    "shuffled": shuffled.measure,
}
