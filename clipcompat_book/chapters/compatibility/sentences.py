"""Sentences that state a direction, made from records, so that they change when the records do.

A chapter never says by hand that one method is better than another; it shows what these functions return.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from statistics import fmean, median

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.runs.records import Record
from clipcompat.studies.report import Compatibility
from clipcompat.studies.summary import summary
from clipcompat_book.means import by_dataset, groups, of_method, reports_of
from clipcompat_book.words import DIRECTIONS, direction, points

_WHERE = {"old": "on the old backbone", "new": "on the new backbone", "retrained": "retrained on the new backbone"}
_FEW = 4
"""Of more datasets than these, a sentence gives the middle and the ends only."""


def upgrade_sentence(records: Sequence[Record], method: str) -> str:
    """What the upgrade did to one method's plug-ins, over all datasets and seeds: Markdown.

    method: a title, as `record.titles.method` gives it.
    """
    mine = of_method(records, method)
    reports = reports_of(mine)
    change = _higher(fmean(r.new - r.old for r in reports))
    words = f"**{method}, carried to the new backbone unchanged,** scores {change} there than on the old one"
    retrained = [r for r in reports if r.retrained is not None]
    if retrained:
        gap = _higher(fmean(r.new - r.retrained for r in retrained))
        kept = {record.dataset: summary(record.reports)["kept_gain"] for record in mine}
        words += f", and {gap} than when it is trained there. Kept gain: {_shares(kept)}"
    flips = fmean(r.negative_flips for r in reports)
    words += f". On average {flips:.1f} % of the test pictures flip from right to wrong"
    return f"{words}. (Mean of {len(reports)} runs on {len({r.dataset for r in reports})} datasets.)"


def versus_sentence(records: Sequence[Record], first: str, second: str, field: str = "new") -> str:
    """How `first` does against `second` in one field, dataset by dataset: Markdown.

    field: "old", "new" or "retrained"; compared are the means over each method's seeds.

    Raises:
        UnknownNameError: no such field, or no records of such a method. ConfigError: no dataset has both methods.
    """
    if field not in _WHERE:
        raise unknown_name("field", field, _WHERE)
    one, two = (by_dataset(reports_of(of_method(records, m)), attrgetter(field)) for m in (first, second))
    gaps = {name: one[name] - two[name] for name in sorted(one) if name in two}
    if not gaps:
        raise ConfigError(f"no dataset has {field} accuracies of both {first} and {second}.")
    sets = groups(gaps, lambda name: direction(gaps[name]))
    parts = [f"{how} on {len(sets[how])} ({', '.join(sets[how])})" for how in DIRECTIONS if how in sets]
    return (
        f"**{first} against {second}, {_WHERE[field]}:** of {len(gaps)} datasets, {'; '.join(parts)}. "
        f"Mean difference {fmean(gaps.values()):+.1f} points."
    )


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


def _shares(kept: Mapping[str, float | None]) -> str:
    """Few datasets one by one; of many, the median and both ends."""
    shares = {name: "undefined" if share is None else f"{round(100 * share)} %" for name, share in kept.items()}
    if len(shares) <= _FEW:
        return ", ".join(f"{name} {share}" for name, share in shares.items())
    known = sorted((share, name) for name, share in kept.items() if share is not None)
    if not known:
        return f"undefined on all {len(shares)} datasets"
    (low, lowest), (high, highest) = known[0], known[-1]
    none = f"; undefined on {len(shares) - len(known)}" if len(known) < len(shares) else ""
    middle = median(share for share, _ in known)
    ends = f"from {round(100 * low)} % ({lowest}) to {round(100 * high)} % ({highest})"
    return f"median {round(100 * middle)} %, {ends}{none}"


def _higher(value: float) -> str:
    return points(value, "higher", "lower")
