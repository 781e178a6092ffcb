"""Would it come out again? Differences over few-shot seeds, over independently pretrained upgrades, and on controls.

The unit of replication is the upgrade. Seeds of one upgrade say how repeatable a number is on that upgrade; only
several upgrades say whether it would come out again on the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from statistics import fmean

from clipcompat.common.errors import ConfigError
from clipcompat.methods import METHODS
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.report import Compatibility, harmonic_mean, kept_gain
from clipcompat.studies.summary import Statistic

Records = Sequence[Record]


def over_zero_shot(report: Compatibility) -> float:
    """Points that the carried plug-in is above zero-shot on the new backbone."""
    return report.new - report.zs_new


def grouped(records: Records) -> dict[str, dict[str, list[Record]]]:
    """Upgrade, as tables call it -> method, as texts call it -> records."""
    groups: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        groups.setdefault(record.titles.upgrade, {}).setdefault(record.titles.method, []).append(record)
    return groups


def by_seed(records: Records, measure: Callable[[Compatibility], float]) -> dict[int, float]:
    """seed -> mean of `measure` over the datasets of `records`, which are one method's on one upgrade.

    Raises:
        ConfigError: a seed is missing on some dataset, so that means would be of different things.
    """
    found: dict[int, list[float]] = {}
    for record in records:
        for report in record.reports:
            found.setdefault(report.seed, []).append(measure(report))
    if len({len(values) for values in found.values()}) > 1:
        raise ConfigError("some seeds are missing on some datasets; make all records with the same seeds.")
    return {seed: fmean(values) for seed, values in sorted(found.items())}


def difference(
    records: Records, first: str, second: str, measure: Callable[[Compatibility], float]
) -> dict[str, Statistic]:
    """Upgrade -> `first` minus `second` in `measure`, paired by seed, mean over datasets; n is the number of seeds."""
    found = {}
    for title, methods in grouped(records).items():
        if first in methods and second in methods:
            one, two = (by_seed(methods[m], measure) for m in (first, second))
            found[title] = Statistic.of([one[seed] - two[seed] for seed in one if seed in two])
    return found


def over_upgrades(found: Mapping[str, Statistic], titles: Sequence[str]) -> Statistic | None:
    """The mean over independently pretrained upgrades; n is their number, so the interval is wide, as it should be."""
    return Statistic.of([found[title].mean for title in titles if title in found])


def controls_table(records: Records, methods: Sequence[str]) -> Table:
    """A row an upgrade or control: new minus zero-shot on new, by method; mean over datasets, 95 % over seeds."""
    rows = []
    for title, found in grouped(records).items():
        some = next(iter(found.values()))
        old, new = (fmean(by_seed(some, side).values()) for side in (lambda r: r.zs_old, lambda r: r.zs_new))
        gains = [Statistic.of(list(by_seed(found.get(m, []), over_zero_shot).values())) for m in methods]
        rows.append((title, f"{old:.1f} → {new:.1f}", *map(signed, gains)))
    caption = "New minus zero-shot on new, points: mean over datasets, ± half of the 95 % interval over seeds."
    return Table(("upgrade", "zero-shot old → new", *methods), tuple(rows), caption)


def methods_table(records: Records, caption: str = "") -> Table:
    """A row a method, from records of one upgrade: means over datasets, ± half of the 95 % interval over seeds.

    H and kept gain are those of the means, seed by seed.
    """
    titles = {r.titles.method: r.inputs["method"]["name"] for r in records}
    rows = []
    for title in sorted(titles, key=lambda t: ([*METHODS, titles[t]].index(titles[t]), len(t))):
        mine = [r for r in records if r.titles.method == title]
        old, new, zs_new = (by_seed(mine, attrgetter(side)) for side in ("old", "new", "zs_new"))
        h = [harmonic_mean(old[seed], new[seed]) for seed in old]
        retrained, kept = {}, []
        if all(report.retrained is not None for r in mine for report in r.reports):
            retrained = by_seed(mine, attrgetter("retrained"))
            kept = [kept_gain(new[seed], zs_new[seed], retrained[seed]) for seed in new]
        shares = [100 * share for share in kept if share is not None]
        found = [Statistic.of(list(v)) for v in (old.values(), new.values(), retrained.values(), h, shares)]
        rows.append((title, *map(_with_interval, found), str(len(mine))))
    caption = f"{caption} Mean over datasets ± half of the 95 % interval over seeds; kept gain in percent.".strip()
    return Table(("method", "old", "new", "retrained", "H", "kept gain", "datasets"), tuple(rows), caption)


def _with_interval(statistic: Statistic | None) -> str:
    if statistic is None:
        return "–"
    return f"{statistic.mean:.1f}" + ("" if statistic.interval is None else f" ± {statistic.interval:.1f}")


def signed(statistic: Statistic | None) -> str:
    """A difference and half the width of its 95 % interval."""
    if statistic is None:
        return "–"
    return f"{statistic.mean:+.1f}" + ("" if statistic.interval is None else f" ± {statistic.interval:.1f}")
