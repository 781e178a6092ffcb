"""Shallow methods against deep ones, pair by pair: which one is higher, on old and after the upgrade.

    pairs_sentence(reports), pairs_table(reports)

Two methods are compared over the datasets and seeds that both have. The direction is that of the 95 % interval of a
`Comparison`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from operator import attrgetter

from clipcompat.runs.tables import Table
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.methods.axis import AXIS
from clipcompat_book.chapters.methods.places import depth
from clipcompat_book.means import compared, groups

_ALL = "all of these"


def pairs_sentence(reports: Sequence[Compatibility]) -> str:
    """How many pairs each side wins, on new and on old: Markdown. It says so where one side has no method."""
    deep = _deep(reports)
    missing = [side for side, names in (("shallow", _shallow(reports)), ("deep", deep)) if not names]
    if missing:
        return f"There is no {' and no '.join(missing)} method among these yet."
    old, new = (_counted(reports, deep[_ALL], side) for side in ("old", "new"))
    return (
        f"**Of {new.total()} pairs, the shallow method is higher after the upgrade in {new['higher']} and lower in "
        f"{new['lower']}.** On old it is higher in {old['higher']} and lower in {old['lower']}."
    )


def pairs_table(reports: Sequence[Compatibility]) -> Table:
    """One row per place where deep methods act, and one of all: the pairs in which the shallow or the deep method wins.

    In the other pairs no difference is seen.
    """
    rows = []
    for place, names in _deep(reports).items():
        counts = [_counted(reports, names, side) for side in ("old", "new")]
        wins = [str(count[direction]) for count in counts for direction in ("higher", "lower")]
        rows.append((place, str(counts[0].total()), *wins))
    columns = (
        "deep methods that act on",
        "pairs",
        "old: shallow higher",
        "old: deep higher",
        "new: shallow higher",
        "new: deep higher",
    )
    caption = "Each shallow method against each deep one. In the other pairs no difference is seen. Mini."
    return Table(columns, tuple(rows), caption)


def _shallow(reports: Sequence[Compatibility]) -> list[str]:
    return sorted({report.method for report in reports if depth(report.method) == "shallow"})


def _deep(reports: Sequence[Compatibility]) -> dict[str, list[str]]:
    """Place on the axis -> the deep methods there that have reports; last, all of them. Empty where there is none."""
    known = {report.method for report in reports if depth(report.method) == "deep"}
    found = {place: mine for place, names in AXIS.items() if (mine := [name for name in names if name in known])}
    return found | {_ALL: [name for names in found.values() for name in names]} if found else {}


def _counted(reports: Sequence[Compatibility], deep: Sequence[str], side: str) -> Counter[str]:
    """Direction of shallow minus deep -> the number of pairs; those without a common dataset are left out."""
    by_method = groups(reports, lambda report: report.method)
    pairs = product(_shallow(reports), deep)
    gaps = (compared(by_method[one], by_method[two], attrgetter(side)) for one, two in pairs)
    return Counter(gap.direction for gap in gaps if gap)
