"""What an upgrade takes from each method, beside the same on a backbone that has nothing from old."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.compatibility.controls import TWIN, UPGRADE, by_upgrade, shipped_pair, with_retraining
from clipcompat_book.chapters.methods.places import depth
from clipcompat_book.means import averages, over_seeds, plain_reports, reports_of
from clipcompat_book.words import name_title, with_interval


def lost_table(records: Sequence[Record]) -> Table:
    """One row per method with its default settings: negative flips, and what is lost on the upgrade and on a seed twin.

    records: with the controls. lost: carried minus retrained on the same backbone, paired by seed; ± is half of the
    95 % interval over seeds. Gains over zero-shot are not compared between the two, as zero-shot differs.
    """
    own = averages(plain_reports(shipped_pair(records)))
    filled = with_retraining(records)
    most = max((len(average.datasets) for average in own.values()), default=0)
    rows = []
    for name, average in own.items():
        if name == "zero_shot":
            continue
        on = by_upgrade([record for record in filled if record.titles.label == name])
        lost, twin = (with_interval(_lost(on.get(upgrade, ())), "+") for upgrade in (UPGRADE, TWIN))
        title = name_title(name) + (f" (only {len(average.datasets)})" if len(average.datasets) < most else "")
        rows.append((title, depth(name) or "–", f"{average.negative_flips:.1f}", lost, twin))
    caption = (
        f"Means over {most} datasets. Flips: percent of test pictures, right on old and wrong on new. Lost: carried "
        "minus retrained, in points; ± half of the 95 % interval over seeds. Mini."
    )
    return Table(("method", "acts", "flips", "lost", "lost on a seed twin"), tuple(rows), caption)


def _lost(records: Sequence[Record]) -> Statistic | None:
    """Carried minus retrained, over seeds; None where a report has no retraining, or there is no report."""
    reports = reports_of(records)
    if not reports or any(report.retrained is None for report in reports):
        return None
    return over_seeds(reports, lambda report: report.new - report.retrained)
