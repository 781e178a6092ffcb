"""The paper's Tables 4 to 7 beside ours: what each row changes against the table's default, in points.

rows = rows_of("heads", records)      # one per printed row but the default
rows[0].printed, rows[0].ours         # (old, new) of the paper; two paired differences of the miniature
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from clipcompat.runs.papers.ablations import paper_ablation
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison, agrees
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.ablations.readings import PLAIN, SETS
from clipcompat_book.chapters.compatibility.controls import shipped_pair
from clipcompat_book.means import compared, reports_of
from clipcompat_book.words import with_interval

TABLES = {
    "parts": "Table 4: parts (DTD)",
    "lambda": "Table 5: λ (UCF101)",
    "heads": "Table 6: heads (DTD)",
    "condition": "Table 7: condition (DTD)",
}
ANALOGUE = {"dtd": "mini/textures", "ucf101": "mini/actions"}
"""The mini set that stands for each of the paper's."""
_SHORT = {
    "contcoop (attention=None)": "no attention",
    "contcoop (distillation.weight=0.0)": "no distillation",
    "contcoop (attention=None, distillation.weight=0.0)": "neither",
    "contcoop (condition.template=a photo of a {})": "in a sentence",
}


@dataclass(frozen=True)
class Row:
    """printed, ours: on old and on new, this row minus the default. datasets: ours are over these."""

    label: str
    printed: tuple[float, float]
    ours: tuple[Comparison, Comparison]

    @property
    def datasets(self) -> tuple[str, ...]:
        return tuple(self.ours[0].by_dataset)


def rows_of(study: str, records: Sequence[Record], own: bool = False) -> list[Row]:
    """Of one of `TABLES`; rows without records are left out.

    Ours are over the four sets that every switch has, or with `own` on the set alone that stands for the paper's.
    """
    printed = paper_ablation(study)
    default = printed["contcoop"]
    sets = (ANALOGUE["ucf101" if study == "lambda" else "dtd"],) if own else SETS
    plain = _reports(records, "contcoop", sets)
    rows = []
    for label, cell in printed.items():
        mine = _reports(records, label, sets)
        if label != "contcoop" and {r.dataset for r in mine} == set(sets):
            ours = tuple(compared(mine, plain, attrgetter(side)) for side in ("old", "new"))
            rows.append(Row(_label(study, label), (cell.old - default.old, cell.new - default.new), ours))
    return rows


def outside(row: Row, side: int = 1) -> bool:
    """Whether what the paper prints is outside our interval, on new (1) or on old (0)."""
    return abs(row.printed[side] - row.ours[side].mean) > (row.ours[side].interval or 0)


def tables_of(records: Sequence[Record]) -> dict[str, list[Row]]:
    """Title -> rows, of every table that has some."""
    found = {title: rows_of(study, records) for study, title in TABLES.items()}
    return {title: rows for title, rows in found.items() if rows}


def claims_table(records: Sequence[Record], side: str = "new") -> Table:
    """Every printed row against its default on one backbone: the paper's points, ours, and whether the signs agree."""
    at = ("old", "new").index(side)
    found = []
    for study, title in TABLES.items():
        alone = {row.label: row.ours[at] for row in rows_of(study, records, own=True)}
        for row in rows_of(study, records):
            gap, one = row.ours[at], alone.get(row.label)
            cells = (
                f"{row.printed[at]:+.2f}" + " *" * outside(row, at),
                with_interval(one, "+"),
                with_interval(gap, "+"),
            )
            found.append((title.partition(":")[0], row.label, *cells, agrees(gap, row.printed[at])))
    columns = ("table", "row", "paper", "ours, one set", "ours, all sets", "sign")
    caption = (
        f"On {side}: points from the table's default, ± half of the 95 % interval. One set: mini/textures for DTD, "
        "mini/actions for UCF101, over seeds. All sets: the four of this chapter, over sets and seeds. * outside ours, "
        "all sets."
    )
    return Table(columns, tuple(found), caption)


def numbers_table(study: str, records: Sequence[Record]) -> Table:
    """One of the paper's tables, with the accuracies of the mini set that stands for its own: old / new."""
    dataset = ANALOGUE["ucf101" if study == "lambda" else "dtd"]
    rows = []
    for label, cell in paper_ablation(study).items():
        mine = _reports(records, label, (dataset,))
        sides = [with_interval(Statistic.of([getattr(r, side) for r in mine])) for side in ("old", "new")]
        ours = " / ".join(sides) if mine else "not run here"
        rows.append((_label(study, label), f"{cell.old:.2f} / {cell.new:.2f}", ours, str(len(mine)) if mine else "–"))
    columns = ("row", "paper: old / new", f"ours, {dataset}: old / new", "seeds")
    caption = f"{TABLES[study]}. Percent; the paper's printed, ours of the miniature, another world: compare rows."
    return Table(columns, tuple(rows), caption)


def _reports(records: Sequence[Record], label: str, sets: Sequence[str]):
    """Of the shipped pair, 16 shots, all classes, fp32; the first record of every dataset."""
    first: dict[str, Record] = {}
    for r in shipped_pair(records):
        as_asked = (r.titles.label, r.inputs["shots"], r.inputs["dtype"], r.inputs["classes"])
        if as_asked == (label, 16, "float32", "all") and r.dataset in sets:
            first.setdefault(r.dataset, r)
    return reports_of(first.values())


def _label(study: str, label: str) -> str:
    """A row's name in a figure."""
    if label == "contcoop":
        return f"{PLAIN} as published"
    if study != "lambda" and label in _SHORT:
        return _SHORT[label]
    inner = label.partition("(")[2].removesuffix(")")
    name, _, value = inner.partition("=")
    words = {"attention.heads": f"{value} heads", "distillation.weight": f"λ = {value}"}
    return words.get(name, inner)
