"""What each switch moves, in points, paired by dataset and seed with the plain method.

found = effects(records)              # in the order of READINGS; those without records on every set are left out
found[0].moves["new"].mean            # the switch on minus off, carried to new
found[0].moved("new"), found[0].sure("new")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison, holm
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.ablations.readings import READINGS, SETS, Reading
from clipcompat_book.chapters.compatibility.controls import shipped_pair
from clipcompat_book.means import compared, reports_of

LEVEL = 0.05


def kept(report: Compatibility) -> float:
    """The gain over zero-shot on new minus that on old, in points: 0 where the upgrade takes nothing."""
    return (report.new - report.zs_new) - (report.old - report.zs_old)


MEASURES: Mapping[str, Callable[[Compatibility], float]] = {
    "old": lambda report: report.old,
    "new": lambda report: report.new,
    "kept": kept,
}


@dataclass(frozen=True)
class Effect:
    """One switch on minus off.

    moves: by measure; their intervals are over datasets and seeds. p: by measure, two-sided, of signed ranks of all
    pairs of a dataset and a seed, corrected for the number of switches. So p is about these datasets alone.
    """

    reading: Reading
    moves: Mapping[str, Comparison]
    p: Mapping[str, float]

    def moved(self, measure: str) -> bool:
        """By more than its interval."""
        return self.moves[measure].direction != "no difference seen"

    def sure(self, measure: str) -> bool:
        """On these datasets, after the correction for how many switches there are."""
        return self.p[measure] < LEVEL


def effects(records: Sequence[Record], readings: Iterable[Reading] = READINGS) -> list[Effect]:
    """records: may hold other upgrades, methods and datasets, which are left out."""
    shipped = shipped_pair(records)
    moves: dict[Reading, dict[str, Comparison]] = {}
    for reading in readings:
        mine, rival = (r.of(shipped) for r in (reading, reading.rival))
        if {r.dataset for r in mine} == {r.dataset for r in rival} == set(SETS):
            pair = reports_of(mine), reports_of(rival)
            moves[reading] = {name: compared(*pair, measure) for name, measure in MEASURES.items()}
    corrected = {name: holm({r: ranks(own[name]) for r, own in moves.items()}) for name in MEASURES}
    return [Effect(r, own, {name: corrected[name][r] for name in MEASURES}) for r, own in moves.items()]


def ranks(gap: Comparison) -> float:
    """Two-sided p of Wilcoxon's signed ranks over all pairs of a dataset and a seed."""
    cells = {("", f"{d} {k}"): (x,) for (_, d), gaps in gap.differences.items() for k, x in enumerate(gaps)}
    return Comparison(cells).wilcoxon


def pairs(effect: Effect) -> int:
    """How many pairs of a dataset and a seed it has."""
    return sum(map(len, effect.moves["old"].differences.values()))
