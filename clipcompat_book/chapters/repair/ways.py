"""What to do with a prompt after an upgrade, side by side: labels, pictures, seconds, and points above zero-shot.

runs = warm_runs(committed_records("warm_start"))
ways_table(runs, methods_of(committed_records("repair"), "mini"), repair_costs())
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
from clipcompat_book.words import apart, datasets, with_interval

_PLACES = {("shots", "1"): "1 label per class", ("epochs", "2"): "two epochs", ("shots", ALL): "all"}
_STARTS = {"scratch": "retrained", "carried": "warm start, carried", "repaired": "warm start, repaired"}
_COST = {("shots", "1"): "retrain_1_shots", ("epochs", "2"): "retrain_2_epochs", ("shots", ALL): "retrain"}


@dataclass(frozen=True)
class Way:
    """A row of the table.

    start, axis, place: as for `WarmRun.value`; start "": what the study `repair` has. labels: per class. parts: of
    `Costs`, added up.
    """

    words: str
    start: str
    axis: str
    place: str
    labels: int
    pictures: int
    parts: tuple[str, ...]


def ways(runs: Sequence[WarmRun]) -> list[Way]:
    """From the cheapest kind to the dearest; a repaired start only if the runs have it."""
    starts = {start: words for start, words in _STARTS.items() if f"{start}_all" in runs[0].row}
    found = [Way("carried", "carried", "shots", NOTHING, 0, 0, ())]
    found.append(Way("repaired", "", "shots", NOTHING, 0, PICTURES, ("repair",)))
    for (axis, place), words in _PLACES.items():
        labels = int(place) if axis == "shots" and place != ALL else runs[0].shots
        for start, title in starts.items():
            first = ("repair",) if start == "repaired" else ()
            parts = (*first, _COST[axis, place])
            found.append(Way(f"{title}, {words}", start, axis, place, labels, PICTURES * bool(first), parts))
    return found


def ways_table(runs: Mapping[str, Sequence[WarmRun]], methods: Mapping[str, Repaired], costs: Costs) -> Table:
    """Per way its labels, pictures and seconds, and per method points above zero-shot and negative flips.

    Zero-shot and the repair are those of `methods`, on the same datasets and seeds.
    """
    own = next(iter(runs.values()))
    rows = []
    for way in ways(own):
        cells = [_cells(way, runs[title], methods[title], costs.get(title)) for title in runs]
        rows.append((way.words, str(way.labels), str(way.pictures), *(cell for part in cells for cell in part)))
    per = [f"{title}: {what}" for title in runs for what in ("points", "flips, %", "seconds")]
    sets, seeds = (len({getattr(run, part) for run in own}) for part in ("dataset", "seed"))
    caption = (
        "Points above zero-shot on new; in brackets against retraining with all labels and epochs, ± half of the 95 % "
        f"interval over {datasets(sets)} and {seeds} seeds. Flips: right on old and wrong on new. {cost_words()}. Mini."
    )
    return Table(("way", "labels per class", "pictures without labels", *per), tuple(rows), caption)


def start_sentence(runs: Mapping[str, Sequence[WarmRun]]) -> str:
    """What training from the repaired plug-in is against training from the carried one; "" if no run has it."""
    told = []
    for title, own in runs.items():
        if "repaired_all" in own[0].row:
            gaps = [lead(own, *at, start="repaired", other="carried") for at in _PLACES]
            words = (f"{place}: {apart(gap)}" for place, gap in zip(_PLACES.values(), gaps, strict=True))
            told.append(f"{title}, {', '.join(words)}")
    return f"**From the repaired plug-in, against from the carried one.** {'. '.join(told)}." if told else ""


def _cells(
    way: Way, runs: Sequence[WarmRun], method: Repaired, cost: Mapping[str, float] | None
) -> tuple[str, str, str]:
    there = {("", run.dataset, run.seed): run for run in runs}

    def values(flips: bool) -> Values:
        if not way.start:
            known = method.values(method.column("repaired") + "_flips" * flips)
            return {cell: known[cell] for cell in there if cell in known}
        return {cell: run.value(way.start, way.axis, way.place, flips) for cell, run in there.items()}

    accuracies, flips = values(False), values(True)
    best = {cell: run.value("scratch", "shots", ALL) for cell, run in there.items()}
    points = f"{Comparison.of(accuracies, method.values('zs_new')).mean:+.1f}"
    if (way.start, way.place) != ("scratch", ALL):
        points += f" ({with_interval(Comparison.of(accuracies, best), '+')})"
    seconds = "–" if cost is None else f"{sum(cost[part] for part in way.parts):.1f}"
    return points, f"{sum(flips.values()) / len(flips):.1f}", seconds
