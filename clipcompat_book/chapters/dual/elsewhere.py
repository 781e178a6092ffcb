"""Other pictures than those a plug-in was tuned on: what it adds to zero-shot, before and after an upgrade."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison
from clipcompat_book.words import method_titles, with_interval

_OF_STUDY = {"cross_dataset": ("targets", "other sets"), "ood": ("shifts", "shifted sets")}
"""Study -> the key of a row's list of further test sets, and what the table calls them."""


def elsewhere_table(records: Sequence[Record]) -> Table:
    """One row per method of records of one study, "cross_dataset" or "ood": gains on the source and elsewhere.

    A gain is against zero-shot on the same pictures and the same backbone. Zero-shot itself is left out.
    """
    order = list(method_titles(records))
    tuned = [record for record in records if record.method != "zero_shot"]
    tuned.sort(key=lambda record: order.index(record.titles.method))
    key, words = _OF_STUDY[tuned[0].study]
    rows = [
        (
            record.titles.method,
            *(with_interval(_gain(record, _source, side), "+") for side in ("old", "new")),
            *(with_interval(_gain(record, partial(_others, key), side), "+") for side in ("old", "new")),
        )
        for record in tuned
    ]
    others, seeds = len(tuned[0].per_seed[0][key]), len(tuned[0].per_seed)
    columns = ("method", "source, old", "source, new", f"{words}, old", f"{words}, new")
    caption = (
        f"Points above zero-shot ± half of the 95 % interval, over {seeds} seeds, elsewhere over {others} sets too. "
    )
    return Table(columns, tuple(rows), caption + "Tuned on objects; new: carried. Mini.")


def _source(row: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    return {row["dataset"]: row}


def _others(key: str, row: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    return {other["dataset"]: other["there"] for other in row[key]}


def _gain(
    record: Record, where: Callable[[Mapping[str, Any]], dict[str, Mapping[str, float]]], side: str
) -> Comparison:
    cells = {("", name, row["seed"]): found for row in record.per_seed for name, found in where(row).items()}
    return Comparison.of(
        {cell: found[side] for cell, found in cells.items()},
        {cell: found[f"zs_{side}"] for cell, found in cells.items()},
    )
