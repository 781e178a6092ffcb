"""Records as a table: mean ± sd over seeds, what was run, and the paper's number beside it."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.common.text import latex, markdown, printable
from clipcompat.runs.papers import paper_accuracy
from clipcompat.runs.records import Record
from clipcompat.studies.statistic import Statistic
from clipcompat.studies.summary import summary


@dataclass(frozen=True)
class Table:
    """Text cells under column names; prints as text, shows as HTML in a notebook.

    hover: one text per row, which HTML shows while the pointer rests on the row; empty for none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    hover: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = [tuple(map(printable, row)) for row in self._all()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join(([printable(self.caption)] if self.caption else []) + lines)

    def to_markdown(self) -> str:
        """A GitHub-flavoured table, the caption below it."""
        head, *body = ("| " + " | ".join(map(markdown, row)) + " |" for row in self._all())
        caption = ["", markdown(self.caption)] if self.caption else []
        return "\n".join([head, "|" + "---|" * len(self.columns), *body, *caption])

    def to_html(self) -> str:
        """A `<table>`; text of cells is escaped."""

        def line(row, tag, hover=""):
            title = f' title="{html.escape(printable(hover))}"' if hover else ""
            return f"<tr{title}>" + "".join(f"<{tag}>{html.escape(printable(c))}</{tag}>" for c in row) + "</tr>"

        hover = self.hover or ("",) * len(self.rows)
        body = "".join(line(row, "td", words) for row, words in zip(self.rows, hover, strict=True))
        caption = f"<caption>{html.escape(printable(self.caption))}</caption>" if self.caption else ""
        return f"<table>{caption}<thead>{line(self.columns, 'th')}</thead><tbody>{body}</tbody></table>"

    def to_latex(self) -> str:
        """A `tabular` for the package booktabs; a caption makes it a `table`."""

        def line(row):
            cells = " & ".join(map(latex, row))
            return ("{}" if cells.startswith(("[", "*")) else "") + cells + r" \\"  # \\[ and \\* are other commands

        rows = (r"\toprule", line(self.columns), r"\midrule", *map(line, self.rows), r"\bottomrule")
        inner = "\n".join((f"\\begin{{tabular}}{{{'l' * len(self.columns)}}}", *rows, r"\end{tabular}"))
        if not self.caption:
            return inner
        return f"\\begin{{table}}\n\\centering\n\\caption{{{latex(self.caption)}}}\n{inner}\n\\end{{table}}"

    _repr_html_ = to_html

    def _all(self):
        return (self.columns, *self.rows)


def to_page(tables: Sequence[Table]) -> str:
    """A whole HTML page with the tables."""
    head = '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>clipcompat</title>\n'
    return f"{head}{''.join(table.to_html() for table in tables)}\n</html>"


_COLUMNS = (
    "upgrade", "dataset", "method", "shots", "old", "new", "H", "zero-shot old → new", "retrained", "kept", "flips",
    "seeds", "views", "paper old / new",
)  # fmt: skip  # the head of a table, in its order


def compatibility_table(records: Sequence[Record], caption: str = "") -> Table:
    """One row per record. kept: share of retraining's gain that the carried plug-in keeps; flips: negative flips.

    Data sets of one name but of different test pictures, labels or class names are told apart by the test stamp.
    """
    caption = with_mini_note(records, caption)
    if any(record.titles.upgrade.endswith("*") for record in records):
        caption = f"{caption} * not the upgrade's own weights (see the record's backbones)".strip()
    names = [dataset_title(record) for record in records]
    tested = [next(iter(record.inputs.get("stamps", {}).values()), {}).get("test", "") for record in records]
    often = Counter(name for name, _ in set(zip(names, tested, strict=True)))
    shown = [f"{n} (data {t[:4]})" if often[n] > 1 else n for n, t in zip(names, tested, strict=True)]
    return Table(_COLUMNS, tuple(map(_row, records, shown)), caption)


def with_mini_note(records: Sequence[Record], caption: str) -> str:
    """The caption, and what the miniature is if a record is of it."""
    if not any(upgrade_kind(record.inputs["upgrade"]) == "mini" for record in records):
        return caption
    return f"{caption} mini is an embedded miniature: compare patterns with the paper, not numbers.".strip()


def dataset_title(record: Record) -> str:
    """The dataset's name, and which part or split of it where it is not the whole, published one."""
    classes = record.inputs["classes"]
    name = record.dataset + ("" if classes == "all" else f" [{classes}]")
    return name + (" (own split)" if "split" in record.inputs else "")


def _row(record: Record, dataset: str) -> tuple[str, ...]:
    inputs, s = record.inputs, summary(record.reports)
    paper, kept = paper_numbers(record), s["kept_gain"]
    return (
        record.titles.upgrade,
        dataset,
        record.titles.label,
        _shots(inputs),
        cell(s["old"]),
        cell(s["new"]),
        f"{s['h_upgrade']:.1f}",
        f"{s['zs_old'].mean:.1f} → {s['zs_new'].mean:.1f}",
        cell(s["retrained"]),
        "–" if kept is None else f"{round(100 * kept)} %",
        cell(s["negative_flips"]),
        str(len(record.per_seed)),
        ", ".join(sorted({"–" if r["views"] is None else str(r["views"]) for r in record.per_seed})),
        "–" if paper is None else f"{paper[0]:.2f} / {paper[1]:.2f}",
    )


def _shots(inputs: Mapping[str, Any]) -> str:
    """An import may not know them; else None means all training images."""
    if inputs["shots"] is None:
        return "–" if inputs.get("imported") else "all"
    return str(inputs["shots"])


def paper_numbers(record: Record) -> tuple[float, float] | None:
    """What the paper prints for old and new, in percent; None if it did not run this."""
    inputs = record.inputs
    as_in_paper = inputs["classes"] == "all" and "split" not in inputs and inputs["shots"] == 16 and record.is_plain
    return paper_accuracy(inputs["upgrade"], record.dataset, record.method) if as_in_paper else None


def cell(statistic: Statistic | None) -> str:
    """mean ± sd, one decimal."""
    if statistic is None:
        return "–"
    return f"{statistic.mean:.1f}" + ("" if statistic.sd is None else f" ± {statistic.sd:.1f}")
