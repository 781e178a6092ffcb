"""Sentences on all methods: what was carried, and shallow methods against deep ones.

    reports = plain_reports(committed_records("compatibility"))
    carried_sentence(reports), depth_sentence(reports)

They are computed from reports, and change when the reports do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from operator import attrgetter

from clipcompat.common.errors import ConfigError
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.report import Compatibility
from clipcompat.studies.statistic import DIRECTIONS
from clipcompat_book.chapters.methods.places import depth
from clipcompat_book.means import Average, averages, change, compared, groups, over_zero_shot
from clipcompat_book.words import datasets, name_title, with_interval

_AGAINST_ZERO_SHOT = {"higher": "above it", "no difference seen": "no difference seen", "lower": "below it"}


def carried_sentence(reports: Sequence[Compatibility]) -> str:
    """Which carried plug-ins are above zero-shot on new, and which are not: Markdown.

    Raises:
        ConfigError: there is no report of a method that learns something.
    """
    tuned = _tuned(reports)
    most = max(len(average.datasets) for average in tuned.values())
    by_method = groups(reports, lambda report: report.method)
    gains = {name: change(by_method[name], over_zero_shot) for name in tuned}

    def entry(name: str) -> str:
        n = len(tuned[name].datasets)
        return f"{name_title(name)} {with_interval(gains[name], '+')}" + (f" (of {n} only)" if n < most else "")

    best_first = sorted(gains, key=lambda name: -gains[name].mean)
    names = groups(best_first, lambda name: gains[name].direction)
    parts = [f"{words}: {', '.join(map(entry, names[d]))}" for d, words in _AGAINST_ZERO_SHOT.items() if d in names]
    return f"**Carried to new, against zero-shot there,** in points, mean of {datasets(most)}: {'; '.join(parts)}."


def depth_sentence(reports: Sequence[Compatibility]) -> str:
    """Shallow methods against deep ones, pair by pair, on old and on new: Markdown."""
    tuned = _tuned(reports)
    sides = {side: [name for name in tuned if depth(name) == side] for side in ("deep", "shallow")}
    missing = [side for side, names in sides.items() if not names]
    if missing:
        return f"**Shallow against deep:** no {' and no '.join(missing)} method is among these yet."
    counts = [f"on {field} {_counted(reports, sides, field)}" for field in ("old", "new")]
    ranges = []
    for side, names in sides.items():
        on_old, on_new = (_range([tuned[name].gains[i] for name in names]) for i in (0, 1))
        ranges.append(f"{side} {on_old} on old and {on_new} on new")
    pairs = len(sides["shallow"]) * len(sides["deep"])
    return (
        f"**Shallow against deep:** of {pairs} pairs of a shallow and a deep method, {'; '.join(counts)}. (By the "
        "paired 95 % interval over datasets and seeds.) "
        f"Points above zero-shot, from the lowest method to the highest: {'; '.join(ranges)}."
    )


def _tuned(reports: Sequence[Compatibility]) -> dict[str, Average]:
    tuned = {name: average for name, average in averages(reports).items() if name != "zero_shot"}
    if not tuned:
        raise ConfigError("there is no report of a tuned method among these; zero-shot alone has nothing to carry.")
    return tuned


def _counted(reports: Sequence[Compatibility], sides: Mapping[str, Sequence[str]], field: str) -> str:
    """In how many pairs the shallow method is higher, and lower; also without the linear probe, which reads no text."""

    def counts(deep: Sequence[str]) -> list[int]:
        directions = [gap.direction for gap in _gaps(reports, sides["shallow"], deep, field)]
        return [directions.count(how) for how in DIRECTIONS]

    higher, lower, same = counts(sides["deep"])
    others = [name for name in sides["deep"] if name != "linear_probe"]
    words = f"the shallow one is higher in {higher}, lower in {lower}, no difference seen in {same}"
    if not others or others == sides["deep"]:
        return words
    higher, lower, same = counts(others)
    return f"{words} (without the linear probe: {higher}, {lower} and {same})"


def _gaps(
    reports: Sequence[Compatibility], firsts: Sequence[str], seconds: Sequence[str], field: str
) -> list[Comparison]:
    """First minus second of every pair, over the datasets and seeds that both have; pairs without any are left out."""
    by_method = groups(reports, lambda report: report.method)
    pairs = product(firsts, seconds)
    return list(filter(None, (compared(by_method[one], by_method[two], attrgetter(field)) for one, two in pairs)))


def _range(values: Sequence[float]) -> str:
    return f"{min(values):+.1f} … {max(values):+.1f}"
