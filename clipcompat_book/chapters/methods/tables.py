"""Tables of all methods: what the records say of each, and what a page has just measured."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.report import Compatibility, harmonic_mean, kept_gain
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.compatibility.controls import (
    TWIN,
    UPGRADE,
    by_upgrade,
    gains,
    shipped_pair,
    with_retraining,
)
from clipcompat_book.chapters.methods.places import depth
from clipcompat_book.means import Average, averages, by_seed, groups, of_method, over_seeds, plain_reports, reports_of
from clipcompat_book.words import method_titles, name_title, short_name, with_interval


def overview_table(records: Sequence[Record]) -> Table:
    """One row per method with its default settings: points above zero-shot on old, carried to new, retrained there.

    records: with the controls. ± is half of the 95 % interval over seeds. kept: carried / retrained, of the averages.
    lost: carried minus retrained on the same backbone, paired by seed, on the upgrade and on a seed twin. Gains over
    zero-shot are not compared between these two, as zero-shot differs.
    """
    rows, own = [], averages(plain_reports(shipped_pair(records)))
    records = with_retraining(records)
    most = max((len(average.datasets) for average in own.values()), default=0)
    for name, average in own.items():
        mine = [record for record in records if record.titles.label == name]
        on = gains(mine) if name != "zero_shot" else {}
        if UPGRADE not in on:
            continue
        retrained = kept = "–"
        if average.retrained is not None:
            retrained = f"{average.retrained - average.zs_new:+.1f}"
            share = kept_gain(average.new, average.zs_new, average.retrained)
            kept = "–" if share is None else f"{round(100 * share)} %"
        by_title = by_upgrade(mine)
        lost, twin = (with_interval(_lost(by_title.get(upgrade, ())), "+") for upgrade in (UPGRADE, TWIN))
        cells = f"{average.gains[0]:+.1f}", with_interval(on[UPGRADE], "+"), retrained, kept
        title = name_title(name) + (f" (only {len(average.datasets)})" if len(average.datasets) < most else "")
        rows.append((title, depth(name) or "–", *cells, f"{average.negative_flips:.1f}", lost, twin))
    columns = (
        "method",
        "acts",
        "on old",
        "carried to new",
        "retrained",
        "kept",
        "flips",
        "lost",
        "lost on a seed twin",
    )
    caption = (
        f"Points above zero-shot, means over {most} datasets; ± half of the 95 % interval over seeds. Lost: carried "
        "minus retrained on the same backbone. Mini."
    )
    return Table(columns, tuple(rows), caption)


def _lost(records: Sequence[Record]) -> Statistic | None:
    """Carried minus retrained, over seeds; None where a report has no retraining, or there is no report."""
    reports = reports_of(records)
    if not reports or any(report.retrained is None for report in reports):
        return None
    return over_seeds(reports, lambda report: report.new - report.retrained)


def methods_table(records: Sequence[Record], caption: str = "") -> Table:
    """One row per method, from records of one upgrade: means over datasets, ± half of the 95 % interval over seeds.

    H and kept gain are computed from the means, seed by seed.
    """
    rows = []
    for title in method_titles(records):
        mine = of_method(records, title)
        reports = reports_of(mine)
        old, new, zs_new = (by_seed(reports, attrgetter(field)) for field in ("old", "new", "zs_new"))
        h = [harmonic_mean(old[seed], new[seed]) for seed in old]
        retrained, kept = {}, []
        if all(report.retrained is not None for report in reports):
            retrained = by_seed(reports, attrgetter("retrained"))
            kept = [kept_gain(new[seed], zs_new[seed], retrained[seed]) for seed in new]
        shares = [100 * share for share in kept if share is not None]
        statistics = [Statistic.of(list(v)) for v in (old.values(), new.values(), retrained.values(), h, shares)]
        rows.append((title, *map(with_interval, statistics), str(len(mine))))
    caption = f"{caption} Mean over datasets ± half of the 95 % interval over seeds; kept gain in percent.".strip()
    return Table(("method", "old", "new", "retrained", "H", "kept gain", "datasets"), tuple(rows), caption)


def live_table(reports: Sequence[Compatibility], caption: str = "") -> Table:
    """One row per method; for each dataset old → new, the gain over zero-shot, and the share of negative flips."""
    per_set = {name: averages(on_set) for name, on_set in groups(reports, lambda r: r.dataset).items()}
    rows = []
    for method in averages(reports):
        cells = [name_title(method)]
        for on_set in per_set.values():
            a = on_set.get(method)
            cells += 3 * ["–"] if a is None else _live_cells(a)
        rows.append(tuple(cells))
    columns = [column for name in per_set for column in (f"{short_name(name)}: old → new", "over zero-shot", "flips")]
    return Table(("method", *columns), tuple(rows), caption)


def _live_cells(average: Average) -> list[str]:
    on_old, on_new = average.gains
    return [f"{average.old:.1f} → {average.new:.1f}", f"{on_old:+.1f} → {on_new:+.1f}", f"{average.negative_flips:.1f}"]
