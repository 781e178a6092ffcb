"""Sentences that state a direction, made from records, so that they change when the records do.

A chapter never says by hand that one method is better than another; it shows what these functions return.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.runs.records import Record
from clipcompat.studies.report import Compatibility
from clipcompat.studies.summary import summary

_TITLES = {
    "zero_shot": "zero-shot",
    "linear_probe": "linear probe",
    "clip_adapter": "CLIP-Adapter",
    "tip_adapter": "Tip-Adapter",
    "tip_adapter_f": "Tip-Adapter-F",
    "coop": "CoOp",
    "cocoop": "CoCoOp",
    "kgcoop": "KgCoOp",
    "contcoop": "ContCoOp",
}
_WHERE = {"old": "on the old backbone", "new": "on the new backbone", "retrained": "retrained on the new backbone"}
_FEW = 4
"""More datasets than these are not told one by one."""
_EQUAL = 1.0
"""Points; a smaller difference of two means is called "within a point"."""


def name_title(name: str) -> str:
    """How a text calls a method: "Tip-Adapter-F" for "tip_adapter_f"."""
    return _TITLES.get(name, name)


def upgrade_sentence(records: Sequence[Record], method: str) -> str:
    """What the upgrade did to one method's plug-ins, over all datasets and seeds: Markdown.

    method: a title, as `record.titles.method` gives it.
    """
    rows = [r for record in _of(records, method) for r in record.reports]
    change = statistics.fmean(r.new - r.old for r in rows)
    words = f"**{method}, carried to the new backbone unchanged,** scores {_higher(change)} there than on the old one"
    retrained = [r for r in rows if r.retrained is not None]
    if retrained:
        gap = statistics.fmean(r.new - r.retrained for r in retrained)
        words += f", and {_higher(gap)} than when it is trained there"
        kept = {r.inputs["dataset"]: summary(r.reports)["kept_gain"] for r in _of(records, method)}
        words += f". Kept gain: {_shares(kept)}"
    flips = statistics.fmean(r.negative_flips for r in rows)
    words += f". On average {flips:.1f} % of the test pictures flip from right to wrong"
    return f"{words}. (Mean of {len(rows)} runs on {len({r.dataset for r in rows})} datasets.)"


def versus_sentence(records: Sequence[Record], first: str, second: str, field: str = "new") -> str:
    """How `first` does against `second` in one field, dataset by dataset: Markdown.

    field: "old", "new" or "retrained"; compared are the means over each method's seeds.

    Raises:
        UnknownNameError: no such field, or no records of such a method. ConfigError: no dataset has both methods.
    """
    if field not in _WHERE:
        raise unknown_name("field", field, _WHERE)
    one, two = (_means(_of(records, method), field) for method in (first, second))
    both = sorted(set(one) & set(two))
    if not both:
        raise ConfigError(f"no dataset has {field} accuracies of both {first} and {second}.")
    gaps = {name: one[name] - two[name] for name in both}
    counts = {
        "higher": [n for n, gap in gaps.items() if gap >= _EQUAL],
        "lower": [n for n, gap in gaps.items() if gap <= -_EQUAL],
        "within a point": [n for n, gap in gaps.items() if abs(gap) < _EQUAL],
    }
    told = [f"{how} on {len(names)} ({', '.join(names)})" for how, names in counts.items() if names]
    mean = statistics.fmean(gaps.values())
    return (
        f"**{first} against {second}, {_WHERE[field]}:** of {len(both)} datasets, {'; '.join(told)}. "
        f"Mean difference {mean:+.1f} points."
    )


def rerun_sentence(report: Compatibility, records: Sequence[Record], method: str) -> str:
    """How a run made just now compares with the committed one of the same dataset and seed: Markdown."""
    titled = [(record.titles.method, found) for record in records for found in record.reports]
    same = [r for t, r in titled if (t, r.dataset, r.seed) == (method, report.dataset, report.seed)]
    if not same:
        return f"There is no committed record of {method} on {report.dataset} with seed {report.seed} to compare with."
    gap = max(abs(report.old - same[0].old), abs(report.new - same[0].new))
    verdict = f"differs by {gap:.1f} points at most" if gap >= 0.05 else "says the same"
    return (
        f"The committed record of this dataset and seed {verdict}: old {same[0].old:.1f}, new {same[0].new:.1f}. "
        "(Other machines, threads, or epochs than the record's change the last digits, or more.)"
    )


def _shares(kept: Mapping[str, float | None]) -> str:
    """Few datasets one by one; of many the middle and the ends."""
    told = {name: "undefined" if share is None else f"{round(100 * share)} %" for name, share in kept.items()}
    if len(told) <= _FEW:
        return ", ".join(f"{name} {share}" for name, share in told.items())
    known = sorted((share, name) for name, share in kept.items() if share is not None)
    if not known:
        return f"undefined on all {len(told)} datasets"
    (low, lowest), (high, highest) = known[0], known[-1]
    none = f"; undefined on {len(told) - len(known)}" if len(known) < len(told) else ""
    middle = statistics.median(share for share, _ in known)
    ends = f"from {round(100 * low)} % ({lowest}) to {round(100 * high)} % ({highest})"
    return f"median {round(100 * middle)} %, {ends}{none}"


def _of(records: Sequence[Record], method: str) -> list[Record]:
    titles = [record.titles.method for record in records]
    if method not in titles:
        raise unknown_name("method among these records", method, set(titles))
    return [record for record, title in zip(records, titles, strict=True) if title == method]


def _means(records: Sequence[Record], field: str) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for record in records:
        for report in record.reports:
            if getattr(report, field) is not None:
                values.setdefault(report.dataset, []).append(getattr(report, field))
    return {name: statistics.fmean(found) for name, found in values.items()}


def _higher(points: float) -> str:
    return f"{abs(points):.1f} points {'lower' if points < 0 else 'higher'}"
