"""The four goals that were set for repairs before there were records, each judged by the interval of what was measured.

sides = joined(committed_records("repair"), committed_records("repair_without_pictures"))
goals = judged(sides)
goals[0].verdict                # "reached", "missed" or "undecided"
goals_table(goals), reasons_table(goals)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat_book.chapters.repair.rows import Repaired, controls_of, methods_of
from clipcompat_book.chapters.repair.unseen import GOALS as UNSEEN
from clipcompat_book.chapters.repair.unseen import WAYS, share_of, unseen
from clipcompat_book.means import groups
from clipcompat_book.words import short_name

ABOUT = 10.0
"""Percent of what retraining adds that count as nothing. Our reading of the goal."""

Verdict = Literal["reached", "missed", "undecided"]
UPGRADE, TWIN = "the upgrade", "another start"

_PROBES = ("linear probe", "linear probe (joint space)")
_CACHES = ("Tip-Adapter", "Tip-Adapter-F")
_WAYS = {"repaired": "200 pictures", **WAYS}


@dataclass(frozen=True)
class Goal:
    """words: of the table. side: the upgrade or the twin. share: percent of what retraining adds, at least; 0: about
    nothing. titles: methods that it is of. columns: repairs that may reach it.
    """

    words: str
    side: str
    share: float
    titles: tuple[str, ...]
    columns: tuple[str, ...]


GOALS = (
    Goal("(a) probe and cache, ≤ 200 pictures: ≥ 80 %", UPGRADE, 80.0, (*_PROBES, *_CACHES), ("repaired",)),
    Goal(
        "(b) captions alone: ≥ 40 %", UPGRADE, 100 * UNSEEN["map"], (*_PROBES, *_CACHES), ("sentences_orthogonal_200",)
    ),
    Goal("(c) seed twin: about 0 %", TWIN, 0.0, (*_PROBES, *_CACHES), ("repaired", "sentences_orthogonal_200")),
    Goal("(d) CoOp, no label: ≥ 80 %", UPGRADE, 100 * UNSEEN["imitate"], ("CoOp",), tuple(_WAYS)),
)


@dataclass(frozen=True)
class Judged:
    """A goal, a method and one of its repairs. share, half: in percent, of what retraining adds, with the interval."""

    goal: Goal
    title: str
    column: str
    method: Repaired
    share: float
    half: float | None

    @property
    def gap(self) -> float:
        """Percent of what retraining adds, from the goal."""
        return self.share - self.goal.share

    @property
    def verdict(self) -> Verdict:
        """By the interval: all of it is where the goal wants it, none of it, or some; about nothing: within `ABOUT`."""
        if self.half is None:
            return "undecided"
        low, high = self.gap - self.half, self.gap + self.half
        if self.goal.share == 0:
            return "reached" if max(-low, high) <= ABOUT else "missed" if max(low, -high) > ABOUT else "undecided"
        return "reached" if low > 0 else "missed" if high < 0 else "undecided"

    @property
    def by_dataset(self) -> dict[str, float]:
        """Dataset -> points of accuracy from the goal."""
        return {d: points - self.goal.share / 100 * room for d, (points, room) in self._points().items()}

    @property
    def headroom(self) -> dict[str, float]:
        """Dataset -> points that retraining adds to zero-shot."""
        return {dataset: room for dataset, (_, room) in self._points().items()}

    def _points(self) -> dict[str, tuple[float, float]]:
        """Dataset -> points above zero-shot of the repair and of retraining, means over seeds."""
        zero_shot, retrained, repaired = (self.method.values(n) for n in ("zs_new", "retrained", self.column))
        above = [(d, repaired[c] - zero_shot[c], retrained[c] - zero_shot[c]) for c in repaired for d in (c[1],)]
        return {
            dataset: (fmean(own for _, own, _ in cells), fmean(room for *_, room in cells))
            for dataset, cells in groups(above, lambda cell: cell[0]).items()
        }


def joined(records: Sequence[Record], without_pictures: Sequence[Record]) -> dict[str, dict[str, Repaired]]:
    """Side -> title -> the method with columns of both studies; methods that only the first study has stay, too."""
    blind = unseen(without_pictures, records)
    seen = {UPGRADE: methods_of(records, "mini"), **controls_of(records)}
    return {side: methods | blind.get(side, {}) for side, methods in seen.items()}


def judged(sides: Mapping[str, Mapping[str, Repaired]]) -> list[Judged]:
    """Every goal with every method and repair that the records have."""
    found = []
    for goal in GOALS:
        methods = {title: sides[goal.side][title] for title in goal.titles if title in sides.get(goal.side, {})}
        for title, method in methods.items():
            for column in goal.columns:
                if method.values(column):
                    found.append(Judged(goal, title, column, method, *share_of(method, column)))
    return found


def goals_table(found: Sequence[Judged]) -> Table:
    """One row per method, repair and goal: what was measured, and the verdict."""
    rows = []
    for one in found:
        measured = f"{one.share:.0f}" if one.half is None else f"{one.share:.0f} ± {one.half:.0f}"
        rows.append((_what(one), _short(one.goal), measured, one.verdict))
    goals = "; ".join(dict.fromkeys(one.goal.words for one in found))
    caption = (
        f"Share of what retraining adds to zero-shot, %, ± half of the 95 % interval over sets and seeds. {goals}. "
        f"Undecided: the goal is within the interval; ≈ 0: within ± {ABOUT:.0f}. Mini."
    )
    return Table(("repair", "goal", "share", "verdict"), tuple(rows), caption)


def reasons_table(found: Sequence[Judged]) -> Table:
    """The same rows: on how many sets it is on the goal's wrong side, and what else tells why."""
    caption = (
        "Wrong side: of the goal, on so many sets; the furthest of them, in points from the goal, of those that "
        "retraining adds. No headroom: sets on which it adds nothing. Fewer pictures: the share with these. Mini."
    )
    columns = ("repair", "goal", "wrong side", "furthest", "no headroom", "fewer pictures")
    return Table(columns, tuple((_what(one), _short(one.goal), *_why(one)) for one in found), caption)


def _what(one: Judged) -> str:
    return f"{one.title}, {_WAYS[one.column]}"


def _short(goal: Goal) -> str:
    """ "(a) ≥ 80" or "(c) ≈ 0"."""
    return f"{goal.words[:3]} " + (f"≥ {goal.share:.0f}" if goal.share else "≈ 0")


def _why(one: Judged) -> tuple[str, str, str, str]:
    """Sets on the wrong side, the furthest, where retraining adds nothing, and the share with fewer pictures."""
    gaps, room = one.by_dataset, one.headroom
    wrong = [dataset for dataset, points in gaps.items() if (points > 0) == (one.goal.share == 0)]
    furthest = fewer = "–"
    if wrong:
        name = max(wrong, key=lambda dataset: abs(gaps[dataset]))
        furthest = f"{short_name(name)}: {gaps[name]:+.1f} of {room[name]:+.1f}"
    if one.column == "repaired":
        *_, (count, share), _ = one.method.by_count().items()
        fewer = f"{count}: {100 * share:.0f} %"
    return f"{len(wrong)} of {len(gaps)}", furthest, str(sum(points <= 0 for points in room.values())), fewer
