"""Means over seeds and over datasets: the one place where chapters group and average.

reports = reports_of(committed_records("compatibility"))
by_dataset(reports, attrgetter("new"))    # {"mini/tints": mean over its seeds, …}
by_seed(reports, over_zero_shot)          # {1: mean over the datasets, …}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean
from typing import TypeVar

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.report import Compatibility
from clipcompat.studies.statistic import Statistic
from clipcompat_book.words import method_rank

Thing, Key = TypeVar("Thing"), TypeVar("Key")
Measure = Callable[[Compatibility], float | None]


def groups(things: Iterable[Thing], key: Callable[[Thing], Key]) -> dict[Key, list[Thing]]:
    """Key -> the things that have it; keys and things stay in order of appearance."""
    grouped: dict[Key, list[Thing]] = {}
    for thing in things:
        grouped.setdefault(key(thing), []).append(thing)
    return grouped


def of_method(records: Sequence[Record], title: str) -> list[Record]:
    """The records of one method, by its title.

    Raises:
        UnknownNameError: there is none.
    """
    by_title = groups(records, lambda record: record.titles.method)
    if title not in by_title:
        raise unknown_name("method among these records", title, by_title)
    return by_title[title]


def reports_of(records: Iterable[Record]) -> list[Compatibility]:
    """All reports of records, one per record and seed."""
    return [report for record in records for report in record.reports]


def plain_reports(records: Iterable[Record]) -> list[Compatibility]:
    """The reports of all records whose method has its default settings."""
    return reports_of(record for record in records if record.is_plain)


def over_zero_shot(report: Compatibility) -> float:
    """How many points the carried plug-in is above zero-shot on the new backbone."""
    return report.new - report.zs_new


def over_zero_shot_on_old(report: Compatibility) -> float:
    """How many points the plug-in is above zero-shot on the backbone that it was tuned on."""
    return report.old - report.zs_old


def by_dataset(reports: Iterable[Compatibility], measure: Measure) -> dict[str, float]:
    """Dataset -> mean over its seeds. Reports for which `measure` gives None are left out."""
    values = [(report.dataset, value) for report in reports if (value := measure(report)) is not None]
    return {name: fmean(value for _, value in pairs) for name, pairs in groups(values, lambda x: x[0]).items()}


def by_seed(reports: Iterable[Compatibility], measure: Callable[[Compatibility], float]) -> dict[int, float]:
    """Seed -> mean over the datasets, of one method on one upgrade.

    Raises:
        ConfigError: a seed is missing on some dataset, so that the means would be of different datasets.
    """
    same_seed = groups(reports, lambda report: report.seed)
    if len({len(same) for same in same_seed.values()}) > 1:
        raise ConfigError("some seeds are missing on some datasets; make all records with the same seeds.")
    return {seed: fmean(map(measure, same_seed[seed])) for seed in sorted(same_seed)}


def over_seeds(reports: Iterable[Compatibility], measure: Callable[[Compatibility], float]) -> Statistic:
    """Mean over datasets of a measure, with the interval over seeds; of a difference within a report, it is paired."""
    return Statistic.of(list(by_seed(reports, measure).values()))


def compared(
    first: Iterable[Compatibility], second: Iterable[Compatibility], measure: Callable[[Compatibility], float]
) -> Comparison | None:
    """First minus second on one upgrade, or on one each, over the datasets and seeds that both have."""
    one, two = ({("", r.dataset, r.seed): measure(r) for r in reports} for reports in (first, second))
    return Comparison.of(one, two)


def change(reports: Iterable[Compatibility], measure: Callable[[Compatibility], float]) -> Comparison:
    """A difference that every report has in itself, such as new minus old, over datasets and seeds of one upgrade."""
    return over_pairs({"": reports}, measure)


def over_pairs(reports: Mapping[str, Iterable[Compatibility]], measure: Callable[[Compatibility], float]) -> Comparison:
    """The same over several pairs of backbones: name of the pair -> its reports."""
    own = {(pair, r.dataset, r.seed): measure(r) for pair, found in reports.items() for r in found}
    return Comparison.of(own, dict.fromkeys(own, 0.0))


def gap_by_dataset(
    first: Iterable[Compatibility], second: Iterable[Compatibility], measure: Callable[[Compatibility], float]
) -> dict[str, Statistic]:
    """Dataset -> first minus second, paired by seed, for the datasets and seeds that both have; sorted by name."""
    one, two = (groups(reports, lambda report: report.dataset) for reports in (first, second))
    gaps = {d: Statistic.paired(by_seed(one[d], measure), by_seed(two[d], measure)) for d in sorted(one) if d in two}
    return {dataset: gap for dataset, gap in gaps.items() if gap is not None}


@dataclass(frozen=True)
class Average:
    """One method: means over seeds, then over datasets, in percent. retrained: None if a report has none."""

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


def averages(reports: Iterable[Compatibility]) -> dict[str, Average]:
    """Method name -> its average, in the order of the registry. Methods without reports are left out."""
    by_method = groups(reports, lambda report: report.method)
    return {name: _average(by_method[name]) for name in sorted(by_method, key=method_rank)}


def _average(reports: Sequence[Compatibility]) -> Average:
    def mean(field: str) -> float | None:
        missing = any(getattr(report, field) is None for report in reports)
        return None if missing else fmean(by_dataset(reports, attrgetter(field)).values())

    fields = ("old", "new", "zs_old", "zs_new", "retrained", "negative_flips")
    return Average(*map(mean, fields), tuple(sorted({report.dataset for report in reports})))
