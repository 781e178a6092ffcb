"""Sentences that state a direction, made from records, so that they change when the records do.

A chapter never says by hand that one method is better than another; it shows what these functions return. A direction
is that of a 95 % interval: on one dataset over its seeds, of a mean over datasets and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.runs.records import Record
from clipcompat.studies.report import Compatibility
from clipcompat.studies.statistic import Direction, Statistic
from clipcompat_book.means import change, compared, gap_by_dataset, groups, of_method, reports_of
from clipcompat_book.words import apart, datasets, short_name

_WHERE = {"old": "on the old backbone", "new": "on the new backbone", "retrained": "retrained on the new backbone"}


def upgrade_sentence(records: Sequence[Record], method: str) -> str:
    """What the upgrade did to one method's plug-ins, over all datasets and seeds: Markdown.

    method: a title, as `record.titles.method` gives it.
    """
    reports = reports_of(of_method(records, method))
    moved = apart(change(reports, lambda report: report.new - report.old))
    words = f"**{method}, carried to the new backbone unchanged,** against its accuracy on the old one: {moved}"
    if retrained := [r for r in reports if r.retrained is not None]:
        gap = apart(change(retrained, lambda report: report.new - report.retrained))
        words += f"; against training it there: {gap}"
    return f"{words}. (Mean of {len(reports)} runs on {datasets(len({r.dataset for r in reports}))}.)"


def versus_sentence(records: Sequence[Record], first: str, second: str, field: str = "new") -> str:
    """How `first` does against `second` in one field, dataset by dataset: Markdown.

    The direction on a dataset is that of the paired 95 % t-interval over the seeds that both have; that of the mean is
    a `Comparison`'s.

    Args:
        records: may have some datasets twice, with other seeds; these are taken together.
        field: "old", "new" or "retrained".

    Raises:
        UnknownNameError: no such field, or no records of such a method. ConfigError: no dataset has both methods.
    """
    if field not in _WHERE:
        raise unknown_name("field", field, _WHERE)
    one, two = (
        [report for report in reports_of(of_method(records, method)) if getattr(report, field) is not None]
        for method in (first, second)
    )
    gaps = gap_by_dataset(one, two, attrgetter(field))
    if not gaps:
        raise ConfigError(f"no dataset has {field} accuracies of both {first} and {second}.")
    directions = {short_name(name): gap.direction for name, gap in gaps.items()}
    return (
        f"**{first} against {second}, {_WHERE[field]}:** mean of {datasets(len(gaps))}, "
        f"{apart(compared(one, two, attrgetter(field)))}. One by one: {_one_by_one(directions)}. (95 % intervals, "
        f"paired by seed: {_seeds(gaps)}; without correction for {datasets(len(gaps))}.)"
    )


def _one_by_one(directions: Mapping[str, Direction]) -> str:
    """ "higher on a, b; lower on c; no difference seen on the other 8": the names of those that differ."""
    named = {how: [n for n, own in directions.items() if own == how] for how in ("higher", "lower")}
    words = [f"{how} on {', '.join(names)}" for how, names in named.items() if names]
    rest = len(directions) - sum(map(len, named.values()))
    others = f"the other {rest}" if words else f"any of {rest}" if rest > 1 else "it"
    return "; ".join([*words, f"no difference seen on {others}"] if rest else words)


def _seeds(gaps: Mapping[str, Statistic]) -> str:
    """ "5 per dataset", or "5 per dataset (25 on satellite)" where some datasets have more."""
    by_count = groups(gaps, lambda name: gaps[name].n)
    few, *more = sorted(by_count)
    others = "; ".join(f"{n} on {', '.join(map(short_name, by_count[n]))}" for n in more)
    return f"{few} per dataset" + (f" ({others})" if others else "")


def rerun_sentence(report: Compatibility, records: Sequence[Record], method: str) -> str:
    """How a run made just now compares with the committed one of the same dataset and seed: Markdown."""
    mine = reports_of(record for record in records if record.titles.method == method)
    same = next((r for r in mine if (r.dataset, r.seed) == (report.dataset, report.seed)), None)
    if same is None:
        return f"There is no committed record of {method} on {report.dataset} with seed {report.seed} to compare with."
    gap = max(abs(report.old - same.old), abs(report.new - same.new))
    verdict = f"differs by {gap:.1f} points at most" if gap >= 0.05 else "says the same"
    return (
        f"The committed record of this dataset and seed {verdict}: old {same.old:.1f}, new {same.new:.1f}. "
        "(Other machines, threads, or epochs than the record's change the last digits, or more.)"
    )
