"""One report as a table, and the paper's Table 3 beside our records."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from clipcompat.data.shifted import SHIFTED
from clipcompat.runs.papers import paper_shifted
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison, agrees
from clipcompat.studies.ood import Robustness
from clipcompat.studies.statistic import Statistic
from clipcompat_book.means import of_method
from clipcompat_book.words import method_titles, short_name, with_interval

_PAPER = ("clip-to-eva-vit-b-16", "imagenet")
_PROMPTS = ("CoOp", "CoCoOp", "KgCoOp", "ContCoOp")


def report_table(report: Robustness, caption: str = "") -> Table:
    """One plug-in: old, new and zero-shot on every set, and on the source's pictures of the same classes."""
    rows = [(short_name(report.dataset), "all", *_numbers(report.on_source), "")]
    for shift in report.shifts:
        same = f"{shift.source.old:.1f} → {shift.source.new:.1f}"
        rows.append((short_name(shift.dataset), str(shift.classes), *_numbers(shift.there), same))
    columns = ("pictures", "classes", "old → new", "zero-shot old → new", "gain old → new", "source, same classes")
    return Table(columns, tuple(rows), caption)


def _numbers(own) -> tuple[str, ...]:
    return (
        f"{own.old:.1f} → {own.new:.1f}",
        f"{own.zs_old:.1f} → {own.zs_new:.1f}",
        f"{own.old - own.zs_old:+.1f} → {own.new - own.zs_new:+.1f}",
    )


def paper_table(records: Sequence[Record]) -> Table:
    """The paper's Table 3 beside our records, on old: accuracy on the source and on every shifted set."""
    sets = ("mini/objects", *SHIFTED["mini/objects"])
    rows = []
    for title in method_titles(records):
        (record,) = of_method(records, title)
        printed = paper_shifted(*_PAPER, record.titles.label) or {}
        ours = [_on(record, name) for name in sets]
        numbers = [*zip(printed.values() or [None] * len(sets), ours, strict=True)]
        theirs = list(printed.values())[1:]
        numbers.append((fmean(theirs) if theirs else None, [fmean(s) for s in zip(*ours[1:], strict=True)]))
        rows.append((title, *(f"{'–' if p is None else f'{p:.1f}'} | {fmean(o):.1f}" for p, o in numbers)))
    columns = ("method", "source", "-V2", "-Sketch", "-A", "-R", "shifted, mean")
    caption = "Accuracy on old, percent: the paper's Table 3 (ImageNet, ViT-B/16, printed) | ours (mini, means)."
    return Table(columns, tuple(rows), caption)


def claims_table(records: Sequence[Record]) -> Table:
    """What the paper's Table 3 says of prompt methods, as differences, and whether ours have the same sign."""
    have = method_titles(records)
    prompts = [title for title in _PROMPTS if title in have]
    pairs = [(title, "zero-shot") for title in prompts]
    pairs += [(title, "CoOp") for title in ("CoCoOp", "KgCoOp") if title in have and "CoOp" in have]
    pairs += [("ContCoOp", title) for title in prompts if title != "ContCoOp" and "ContCoOp" in have]
    rows = []
    for first, second in pairs:
        one, two = (of_method(records, title)[0] for title in (first, second))
        theirs = [list(paper_shifted(*_PAPER, r.method).values()) for r in (one, two)]
        source = Statistic.paired(*({row["seed"]: row["old"] for row in r.per_seed} for r in (one, two)))
        shifted = Comparison.of(*(_shifted(r) for r in (one, two)))
        for where, gap, sides in (
            ("source", source, [own[0] for own in theirs]),
            ("shifted", shifted, [fmean(own[1:]) for own in theirs]),
        ):
            printed = sides[0] - sides[1]
            hangs = " (hangs on single sets)" if isinstance(gap, Comparison) and gap.flips else ""
            claim, ours = f"{first} − {second}, {where}", with_interval(gap, "+")
            rows.append((claim, f"{printed:+.2f}", ours, agrees(gap, printed) + hangs))
    columns = ("on old", "paper", "ours (mini)", "sign")
    caption = "Points; ours with 95 % intervals, over seeds on the source, over sets and seeds on the shifted ones."
    return Table(columns, tuple(rows), caption)


def _on(record: Record, name: str) -> list[float]:
    """Accuracy on old on one set, seed by seed."""
    if name == record.dataset:
        return [row["old"] for row in record.per_seed]
    return [shift["there"]["old"] for row in record.per_seed for shift in row["shifts"] if shift["dataset"] == name]


def _shifted(record: Record) -> dict[tuple[str, str, int], float]:
    return {
        ("", shift["dataset"], row["seed"]): shift["there"]["old"] for row in record.per_seed for shift in row["shifts"]
    }
