"""What to do with a prompt after an upgrade, side by side: labels, pictures, seconds, and points above zero-shot.

runs = warm_runs(committed_records("warm_start"))
ways_table("CoOp", runs, methods_of(committed_records("repair"), "mini"), repair_costs())
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipcompat.runs.tables import Table
from clipcompat.studies.carried.warm_start import PICTURES
from clipcompat.studies.comparison import Comparison, Values
from clipcompat_book.chapters.chains.warm import ALL, NOTHING, WarmRun, lead
from clipcompat_book.chapters.repair.costs import Costs, cost_words
from clipcompat_book.chapters.repair.rows import Repaired
from clipcompat_book.words import by_direction, datasets, with_interval

_PLACES = {("shots", "1"): "1 label per class", ("epochs", "2"): "two epochs", ("shots", ALL): "all"}
_STARTS = {"scratch": "retrained", "carried": "warm start, carried", "repaired": "warm start, repaired"}
_COST = {("shots", "1"): "retrain_1_shots", ("epochs", "2"): "retrain_2_epochs", ("shots", ALL): "retrain"}


@dataclass(frozen=True)
class Way:
    """A row of the table.

    start, axis, place: as for `WarmRun.value`; start "": what the study `repair` has. parts: of `Costs`, added up.
    """

    words: str
    start: str
    axis: str
    place: str
    parts: tuple[str, ...]


def ways(runs: Sequence[WarmRun]) -> list[Way]:
    """From the cheapest kind to the dearest; a repaired start only if the runs have it."""
    starts = {start: words for start, words in _STARTS.items() if f"{start}_all" in runs[0].row}
    found = [Way("carried", "carried", "shots", NOTHING, ())]
    found.append(Way("repaired", "", "shots", NOTHING, ("repair",)))
    for (axis, place), words in _PLACES.items():
        for start, title in starts.items():
            first = ("repair",) if start == "repaired" else ()
            parts = (*first, _COST[axis, place])
            found.append(Way(f"{title}, {words}", start, axis, place, parts))
    return found


def ways_table(
    title: str, runs: Mapping[str, Sequence[WarmRun]], methods: Mapping[str, Repaired], costs: Costs
) -> Table:
    """Of one method, per way: points above zero-shot and against retraining, negative flips and seconds.

    Zero-shot and the repair are those of `methods`, on the same datasets and seeds.
    """
    own = runs[title]
    rows = tuple((way.words, *_cells(way, own, methods[title], costs.get(title))) for way in ways(own))
    sets, seeds = (len({getattr(run, part) for run in own}) for part in ("dataset", "seed"))
    caption = (
        f"{title} on new: points above zero-shot, and against retraining with all labels and epochs ± half of the 95 % "
        f"interval over {datasets(sets)} and {seeds} seeds. All: {own[0].shots} labels per class, as two epochs "
        f"have. Repaired: with {PICTURES} pictures without labels. Flips: right on old and wrong on new, %. "
        f"{cost_words()}. Mini."
    )
    return Table(("way", "points", "against retraining", "flips", "seconds"), rows, caption)


def start_sentence(runs: Mapping[str, Sequence[WarmRun]]) -> str:
    """What training from the repaired plug-in is against training from the carried one; "" if no run has it."""
    told = []
    for title, own in runs.items():
        if "repaired_all" in own[0].row:
            gaps = {words: lead(own, *at, start="repaired", other="carried") for at, words in _PLACES.items()}
            told.append(f"{title}, {by_direction(gaps)}")
    return f"**From the repaired plug-in, against from the carried one.** {'. '.join(told)}." if told else ""


def _cells(
    way: Way, runs: Sequence[WarmRun], method: Repaired, cost: Mapping[str, float] | None
) -> tuple[str, str, str, str]:
    there = {("", run.dataset, run.seed): run for run in runs}

    def values(flips: bool) -> Values:
        if not way.start:
            known = method.values(method.column("repaired") + "_flips" * flips)
            return {cell: known[cell] for cell in there if cell in known}
        return {cell: run.value(way.start, way.axis, way.place, flips) for cell, run in there.items()}

    accuracies, flips = values(False), values(True)
    best = {cell: run.value("scratch", "shots", ALL) for cell, run in there.items()}
    points = f"{Comparison.of(accuracies, method.values('zs_new')).mean:+.1f}"
    itself = (way.start, way.place) == ("scratch", ALL)
    against = "–" if itself else with_interval(Comparison.of(accuracies, best), "+")
    seconds = "–" if cost is None else f"{sum(cost[part] for part in way.parts):.1f}"
    return points, against, f"{sum(flips.values()) / len(flips):.1f}", seconds
