"""Retraining on new from the carried or the repaired plug-in and from scratch: by shots, by epochs, with flips.

    runs = warm_runs(committed_records("warm_start"))        # one per method, dataset and seed
    curve(runs["CoOp"], "carried", "shots")                  # {"1": Comparison, …, "16": …}: accuracy

Each seed has the same pictures and the same order of batches from every start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clipcompat.common.errors import unknown_name
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison
from clipcompat_book.means import groups
from clipcompat_book.words import STARS, datasets, method_titles, starred

STARTS = ("carried", "repaired", "scratch")
AXES = ("shots", "epochs")
NOTHING, ALL = "0", "all"
"""Places on both axes: the start as it is, untrained; all shots and as many epochs as the recipe says."""


@dataclass(frozen=True)
class WarmRun:
    """One plug-in, carried to new and trained again there.

    row: of the record: "new", "repaired", and START_K_shots, START_N_epochs, START_all, each also with _flips. shots:
    all of them.
    """

    method: str
    dataset: str
    seed: int
    shots: int
    row: Mapping[str, float]

    def value(self, start: str, axis: str, place: str, flips: bool = False) -> float:
        """Accuracy on new, or with `flips` the negative flips against the plug-in on old, in percent."""
        untrained = "repaired" if start == "repaired" else "new"
        name = untrained if place == NOTHING else f"{start}_all" if place == ALL else f"{start}_{place}_{axis}"
        if axis == "epochs" and name not in self.row:  # no fewer epochs than all on this dataset
            name = f"{start}_all"
        return self.row[name + "_flips" * flips]


def warm_runs(records: Sequence[Record]) -> dict[str, list[WarmRun]]:
    """Method's title -> its runs, of records of the study "warm_start"."""
    by_title = groups(records, lambda record: record.titles.method)
    return {
        title: [
            WarmRun(title, record.dataset, row["seed"], record.inputs["shots"], row)
            for record in by_title[title]
            for row in record.per_seed
        ]
        for title in method_titles(records)
    }


def places(runs: Sequence[WarmRun], axis: str) -> list[str]:
    """What the axis has: "1", "2", … as numbers grow, then "all"; nothing trained comes first, as "0".

    Raises:
        UnknownNameError: neither "shots" nor "epochs".
    """
    if axis not in AXES:
        raise unknown_name("axis", axis, AXES)
    names = [name for run in runs for name in run.row]
    found = {int(m[1]) for name in names if (m := re.fullmatch(rf"scratch_(\d+)_{axis}", name))}
    return [NOTHING, *map(str, sorted(found)), ALL]


def curve(runs: Sequence[WarmRun], start: str, axis: str, flips: bool = False) -> dict[str, Comparison]:
    """Place -> mean over datasets, with the interval over datasets and seeds. From scratch, place "0" is left out."""
    if start not in STARTS:
        raise unknown_name("start", start, STARTS)
    there = places(runs, axis)[start == "scratch" :]
    return {place: _over(runs, lambda r, p=place: r.value(start, axis, p, flips)) for place in there}


def pays(runs: Sequence[WarmRun]) -> bool:
    """Whether training from the carried plug-in, with everything, was on average not worse than from scratch."""
    return bool(runs) and lead(runs, "shots", ALL).mean >= 0


def lead(
    runs: Sequence[WarmRun], axis: str, place: str, flips: bool = False, start: str = "carried", other: str = "scratch"
) -> Comparison:
    """One start minus another, paired by dataset and seed."""
    return _over(runs, lambda r: r.value(start, axis, place, flips) - r.value(other, axis, place, flips))


def start_table(runs: Mapping[str, Sequence[WarmRun]]) -> Table:
    """What the carried start is worth with the fewest shots, the fewest epochs and with all: one row per method."""
    own = next(iter(runs.values()))
    few, short = places(own, "shots")[1], places(own, "epochs")[1]
    asked = {_shots(few, own): ("shots", few), f"{short} epochs": ("epochs", short), "everything": ("shots", ALL)}
    rows = tuple((name, *(starred(lead(mine, *at)) for at in asked.values())) for name, mine in runs.items())
    caption = f"Accuracy on new: points of a carried start above scratch, with {_sample(runs)}; {STARS}. Mini."
    return Table(("method", *asked), rows, caption)


def worth_sentence(runs: Mapping[str, Sequence[WarmRun]]) -> str:
    """From how many shots on training from scratch is not seen to be below the carried plug-in, untrained."""
    parts = []
    for name, own in runs.items():
        gaps = {
            p: _over(own, lambda r, p=p: r.value("scratch", "shots", p) - r.row["new"])
            for p in places(own, "shots")[1:]
        }
        level = next((p for p in gaps if all(gaps[q].direction != "lower" for q in _from(gaps, p))), None)
        above = next((p for p in gaps if all(gaps[q].direction == "higher" for q in _from(gaps, p))), None)
        words = f"not seen to be below it from {_shots(level, own)} on" if level else "still below it with all shots"
        parts.append(f"{name} {words}" + (f", above it from {_shots(above, own)} on" if above else ""))
    return f"**Training from scratch, against the carried plug-in as it is:** {'; '.join(parts)}."


def flips_table(runs: Mapping[str, Sequence[WarmRun]]) -> Table:
    """Negative flips of a carried start against scratch, with the fewest shots and with all: one row per method."""
    own = next(iter(runs.values()))
    asked = (places(own, "shots")[1], ALL)
    rows = tuple((name, *(starred(lead(mine, "shots", p, flips=True)) for p in asked)) for name, mine in runs.items())
    caption = (
        "Negative flips of a carried start minus those of scratch: points of all test pictures that were right on old "
        f"and are wrong now, with {_sample(runs)}; {STARS}. Mini."
    )
    return Table(("method", *(_shots(p, own) for p in asked)), rows, caption)


def _sample(runs: Mapping[str, Sequence[WarmRun]]) -> str:
    return f"95 % intervals over seeds and {datasets(len({r.dataset for own in runs.values() for r in own}))}"


def _from(gaps: Mapping[str, Comparison], place: str) -> list[str]:
    return list(gaps)[list(gaps).index(place) :]


def _shots(place: str, runs: Sequence[WarmRun]) -> str:
    number = str(runs[0].shots) if place == ALL else place
    return f"{number} shot{'s' * (number != '1')}"


def _over(runs: Sequence[WarmRun], measure: Callable[[WarmRun], float]) -> Comparison:
    own = {("", r.dataset, r.seed): measure(r) for r in runs}
    return Comparison.of(own, dict.fromkeys(own, 0.0))
