"""Prompt learners tuned on base classes: both halves of the classes on old, carried to new, and retrained there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison, Values
from clipcompat_book.means import groups
from clipcompat_book.words import STARS, datasets, method_rank, starred, with_interval

SIDES = {"old": "zs_old", "carried": "zs_new", "retrained": "zs_new"}
"""Where a plug-in was tuned and tested -> zero-shot on the same backbone."""
HALVES = ("base", "new")

Learners = Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]
"""Title -> (dataset, row of one seed)."""


def learners_of(records: Sequence[Record]) -> Learners:
    """The methods of records of the study "base_to_new", in the registry's order, without zero-shot."""
    tuned = sorted((r for r in records if r.method != "zero_shot"), key=lambda r: method_rank(r.method))
    same = groups(tuned, lambda record: _title(record))
    return {title: [(r.dataset, row) for r in own for row in r.per_seed] for title, own in same.items()}


def gain(rows: Sequence[tuple[str, Mapping[str, Any]]], side: str, half: str) -> Comparison | None:
    """Points above zero-shot on the same backbone, on one half of the classes; None where no row has this side."""
    return Comparison.of(_values(rows, f"{side}_{half}"), _values(rows, f"{SIDES[side]}_{half}"))


def learners_table(learners: Learners) -> Table:
    """One row per learner: gains over zero-shot on base and on new classes, on each side."""
    columns = [(half, side) for half in HALVES for side in SIDES]
    rows = [(title, *(with_interval(gain(own, s, h), "+") for h, s in columns)) for title, own in learners.items()]
    sets = len({dataset for own in learners.values() for dataset, _ in own})
    seeds = max(len({row["seed"] for _, row in own}) for own in learners.values())
    caption = (
        f"Points above zero-shot on the same backbone ± half of the 95 % interval, over {datasets(sets)} and {seeds} "
        "seeds, on base and on new classes. Carried: to the new backbone, unchanged; retrained: there. Mini."
    )
    return Table(("learner", *(f"{half}, {side}" for half, side in columns)), tuple(rows), caption)


def kept_sentence(learners: Learners) -> str:
    """Mean gain on base classes, carried, as a share of the mean gain of retraining; 0 or less is "nothing"."""
    shares = {}
    for title, own in learners.items():
        carried, retrained = (gain(own, side, "base") for side in ("carried", "retrained"))
        if retrained is not None:
            shares[title] = carried.mean / retrained.mean
    told = ", ".join(f"{title} {100 * x:.0f} %" if x > 0 else f"{title} nothing" for title, x in shares.items())
    return f"**Of what retraining adds to zero-shot on base classes, the carried plug-in has:** {told}."


def retraining_table(learners: Learners) -> Table:
    """One row per learner: what retraining adds to carrying, on base and on new classes."""
    rows = []
    for title, own in learners.items():
        gaps = [Comparison.of(_values(own, f"retrained_{half}"), _values(own, f"carried_{half}")) for half in HALVES]
        rows.append((title, *map(starred, gaps)))
    caption = f"Points that retraining adds to carrying, ± half of the 95 % interval; {STARS}. Mini."
    return Table(("learner", *(f"{half} classes" for half in HALVES)), tuple(rows), caption)


def _values(rows: Sequence[tuple[str, Mapping[str, Any]]], key: str) -> Values:
    return {("", dataset, row["seed"]): row[key] for dataset, row in rows if key in row}


def _title(record: Record) -> str:
    """PromptKD's one setting here is what keeps its teacher from labels of new classes, and is not said."""
    return record.titles.method.partition(" (")[0]
