"""Methods side by side: averages over datasets, and sentences on what was carried, shallow against deep.

    reports = plain_reports(committed_records("compatibility"))
    carried_sentence(reports), depth_sentence(reports)

Sentences are computed, and change when the reports do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

from clipcompat.common.errors import ConfigError
from clipcompat.methods import METHODS
from clipcompat.runs.records import Record
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.places import depth
from clipcompat_book.chapters.compatibility.sentences import name_title

EQUAL = 1.0
"""Points; a smaller difference is called "within a point"."""
_FIELDS = ("old", "new", "zs_old", "zs_new", "retrained", "negative_flips")


@dataclass(frozen=True)
class Average:
    """One method: means over seeds first, then over datasets; percent. retrained: None unless every dataset has it."""

    old: float
    new: float
    zs_old: float
    zs_new: float
    retrained: float | None
    negative_flips: float
    datasets: tuple[str, ...]

    @property
    def gains(self) -> tuple[float, float]:
        """Points above zero-shot, on old and on new."""
        return self.old - self.zs_old, self.new - self.zs_new


def plain_reports(records: Sequence[Record]) -> list[Compatibility]:
    """The reports of all records whose method has its default settings."""
    plain = [record for record in records if record.titles.label == record.inputs["method"]["name"]]
    return [report for record in plain for report in record.reports]


def averages(found: Iterable[Compatibility]) -> dict[str, Average]:
    """Method name -> its average, in the order of METHODS; methods without reports are left out."""
    by_method: dict[str, dict[str, list[Compatibility]]] = {}
    for report in found:
        by_method.setdefault(report.method, {}).setdefault(report.dataset, []).append(report)
    order = sorted(by_method, key=lambda name: [*METHODS, name].index(name))
    return {name: _average(by_method[name]) for name in order}


def carried_sentence(found: Sequence[Compatibility]) -> str:
    """Which carried plug-ins are above zero-shot on new, and which are not: Markdown.

    Raises:
        ConfigError: there is no report of a method that learns something.
    """
    tuned = _tuned(found)
    most = max(len(average.datasets) for average in tuned.values())
    gains = {name: average.gains[1] for name, average in tuned.items()}
    order = sorted(gains, key=gains.get, reverse=True)

    def told(name: str) -> str:
        n = len(tuned[name].datasets)
        return f"{name_title(name)} {gains[name]:+.1f}" + (f" (of {n} only)" if n < most else "")

    groups = {
        "above it": [told(name) for name in order if gains[name] >= EQUAL],
        "within a point": [told(name) for name in order if abs(gains[name]) < EQUAL],
        "below it": [told(name) for name in order if gains[name] <= -EQUAL],
    }
    parts = "; ".join(f"{where}: {', '.join(names)}" for where, names in groups.items() if names)
    return f"**Carried to new, against zero-shot there,** in points, mean of {_many(most)}: {parts}."


def depth_sentence(found: Sequence[Compatibility]) -> str:
    """Shallow methods against deep ones, pair by pair, on old and on new: Markdown."""
    tuned = _tuned(found)
    sides = {side: [name for name in tuned if depth(name) == side] for side in ("deep", "shallow")}
    missing = [side for side, names in sides.items() if not names]
    if missing:
        return f"**Shallow against deep:** no {' and no '.join(missing)} method is among these yet."
    told = [f"on {field} {_counted(found, sides, field)}" for field in ("old", "new")]
    ranges = []
    for side, names in sides.items():
        on_old, on_new = (_range([tuned[name].gains[i] for name in names]) for i in (0, 1))
        ranges.append(f"{side} {on_old} on old and {on_new} on new")
    pairs = len(sides["shallow"]) * len(sides["deep"])
    return (
        f"**Shallow against deep:** of {pairs} pairs of a shallow and a deep method, {'; '.join(told)}. "
        f"Points above zero-shot, from the lowest method to the highest: {'; '.join(ranges)}."
    )


def _tuned(found: Sequence[Compatibility]) -> dict[str, Average]:
    tuned = {name: average for name, average in averages(found).items() if name != "zero_shot"}
    if not tuned:
        raise ConfigError("there is no report of a tuned method among these; zero-shot alone has nothing to carry.")
    return tuned


def _counted(found: Sequence[Compatibility], sides: Mapping[str, Sequence[str]], field: str) -> str:
    """In how many pairs the shallow method is higher, and lower; also without the linear probe, which reads no text."""

    def counts(deep: Sequence[str]) -> tuple[int, int]:
        gaps = _pairs(found, sides["shallow"], deep, field)
        return sum(gap >= EQUAL for gap in gaps), sum(gap <= -EQUAL for gap in gaps)

    higher, lower = counts(sides["deep"])
    others = [name for name in sides["deep"] if name != "linear_probe"]
    told = f"the shallow one is higher by a point or more in {higher}, lower in {lower}"
    if not others or others == sides["deep"]:
        return told
    higher, lower = counts(others)
    return f"{told} (without the linear probe: {higher} and {lower})"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):+.1f} … {max(values):+.1f}"


def _pairs(found: Sequence[Compatibility], firsts: Sequence[str], seconds: Sequence[str], field: str) -> list[float]:
    """first - second of every pair: means over seeds, then over the datasets that both have, if there are any."""
    values: dict[str, dict[str, list[float]]] = {}
    for report in found:
        values.setdefault(report.method, {}).setdefault(report.dataset, []).append(getattr(report, field))
    gaps = []
    for one, two in product(firsts, seconds):
        both = values[one].keys() & values[two].keys()
        gaps += [fmean(fmean(values[one][d]) - fmean(values[two][d]) for d in both)] if both else []
    return gaps


def _average(by_set: Mapping[str, Sequence[Compatibility]]) -> Average:
    def mean(field: str) -> float | None:
        values = [[getattr(r, field) for r in rows] for rows in by_set.values()]
        return None if any(v is None for row in values for v in row) else fmean(map(fmean, values))

    return Average(*(mean(field) for field in _FIELDS), tuple(sorted(by_set)))


def _many(datasets: int) -> str:
    return "1 dataset" if datasets == 1 else f"{datasets} datasets"
