"""The numbers of the cross-tower table: one method on the four pairs of image and text tower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.runs.records import Record
from clipcompat.studies.carried.cross_tower import CELLS
from clipcompat.studies.comparison import Comparison, Values
from clipcompat_book.means import of_method
from clipcompat_book.words import method_titles

KINDS = {"carried": "", "zero_shot": "zs_", "retrained": "retrained_"}
"""Kind of number -> how its names in a row begin."""


@dataclass(frozen=True)
class Numbers:
    """One method on four pairs of towers. title, method, side: as records and reports say.

    values: (kind, cell) -> accuracies by dataset and seed, percent; ("carried", "old_new") is the plug-in on old's
    images with new's text. What no record has is missing.
    """

    title: str
    method: str
    side: str
    values: dict[tuple[str, str], Values]

    def mean(self, cell: str, kind: str = "carried") -> Comparison | None:
        """The mean over datasets, with its interval over datasets and seeds; None where no record has it."""
        own = self.values.get((kind, cell), {})
        return Comparison.of(own, dict.fromkeys(own, 0.0))

    def gap(self, first: str, second: str, kinds: tuple[str, str] = ("carried", "carried")) -> Comparison | None:
        """Cell `first` minus cell `second`, each of its kind, over the datasets and seeds that have both; or None."""
        one, two = (self.values.get((kind, cell), {}) for kind, cell in zip(kinds, (first, second), strict=True))
        return Comparison.of(one, two)


def tower_numbers(records: Sequence[Record]) -> dict[str, Numbers]:
    """Title of a method -> its numbers, in the registry's order, from records of the study "cross_tower".

    A seed that two records have, one of them with retraining, counts once.

    Raises:
        ConfigError: records of several upgrades. UnknownNameError: no record of that study.
    """
    mine = [record for record in records if record.study == "cross_tower"]
    if not mine:
        raise unknown_name("study among these records", "cross_tower", {record.study for record in records})
    if len(upgrades := {record.titles.upgrade for record in mine}) > 1:
        raise ConfigError(f"a table of towers is of one upgrade; these records are of {sorted(upgrades)}.")
    return {title: _numbers(title, of_method(mine, title)) for title in method_titles(mine)}


def _numbers(title: str, records: Sequence[Record]) -> Numbers:
    rows = [row for record in records for row in record.per_seed]
    values = {}
    for kind, prefix in KINDS.items():
        for cell in CELLS:
            keyed = ((("", row["dataset"], row["seed"]), row[prefix + cell]) for row in rows)
            if found := {key: value for key, value in keyed if value is not None}:
                values[kind, cell] = found
    return Numbers(title, records[0].method, rows[0]["side"], values)
