"""Records as a table: mean ± sd over seeds, what was run, and the paper's number beside it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from clipcompat.backbones.mini.manifest import pair_title
from clipcompat.common.config import to_config
from clipcompat.methods import METHODS
from clipcompat.methods.defaults import default_method
from clipcompat.runs.papers import paper_accuracy
from clipcompat.studies.compatibility import Compatibility
from clipcompat.studies.summary import Statistic, summary


@dataclass(frozen=True)
class Table:
    """Text cells under column names; prints as text, shows as HTML in a notebook."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    def __str__(self) -> str:
        widths = [max(len(row[i]) for row in (self.columns, *self.rows)) for i in range(len(self.columns))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in self._all()]
        return "\n".join(([self.caption] if self.caption else []) + lines)

    def to_markdown(self) -> str:
        """A GitHub-flavoured table, the caption below it."""
        head, *body = ("| " + " | ".join(_literal(c) for c in row) + " |" for row in self._all())
        caption = ["", _literal(self.caption)] if self.caption else []
        return "\n".join([head, "|" + "---|" * len(self.columns), *body, *caption])

    def _repr_html_(self) -> str:
        def line(row, tag):
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row) + "</tr>"

        body = "".join(line(row, "td") for row in self.rows)
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead>{line(self.columns, 'th')}</thead><tbody>{body}</tbody></table>"

    def _all(self):
        return (self.columns, *self.rows)


def reports(record: Mapping[str, Any]) -> list[Compatibility]:
    """The per-seed reports of a record."""
    names = [f.name for f in fields(Compatibility)]
    return [Compatibility(**{n: row[n] for n in names}) for row in record["per_seed"]]


def label(record: Mapping[str, Any]) -> str:
    """The method's name and the settings that differ from its defaults: "contcoop (distillation.weight=0.5)"."""
    inputs = record["inputs"]
    name, config = inputs["method"]["name"], inputs["method"]["config"]
    default = default_method(name, inputs["dataset"], inputs["upgrade"]) if name in METHODS else None
    changed = _changes(config, to_config(default) if default else {})
    return f"{name} ({', '.join(changed)})" if changed else name


def compatibility_table(records: Sequence[Mapping[str, Any]], caption: str = "") -> Table:
    """One row a record. kept: share of retraining's gain that the carried plug-in keeps; flips: negative flips."""
    columns = (
        "upgrade", "dataset", "method", "shots", "old", "new", "H", "zero-shot old → new", "retrained", "kept", "flips",
        "seeds", "views", "paper old / new",
    )  # fmt: skip
    rows = []
    for record in records:
        inputs, s = record["inputs"], summary(reports(record))
        name, paper = inputs["method"]["name"], None
        published = inputs["classes"] == "all" and "split" not in inputs
        if published and inputs["shots"] == 16 and label(record) == name:  # what the paper ran
            paper = paper_accuracy(inputs["upgrade"], inputs["dataset"], name)
        kept = s["kept_gain"]
        rows.append(
            (
                pair_title(inputs),
                inputs["dataset"]
                + ("" if inputs["classes"] == "all" else f" [{inputs['classes']}]")
                + (" (own split)" if "split" in inputs else ""),
                label(record),
                "all" if inputs["shots"] is None else str(inputs["shots"]),
                cell(s["old"]),
                cell(s["new"]),
                f"{s['h_upgrade']:.1f}",
                f"{s['zs_old'].mean:.1f} → {s['zs_new'].mean:.1f}",
                cell(s["retrained"]),
                "–" if kept is None else f"{round(100 * kept)} %",
                cell(s["negative_flips"]),
                str(len(record["per_seed"])),
                ", ".join(sorted({"–" if r["views"] is None else str(r["views"]) for r in record["per_seed"]})),
                "–" if paper is None else f"{paper[0]:.2f} / {paper[1]:.2f}",
            )
        )
    if any(record["inputs"]["upgrade"].startswith("mini") for record in records):
        caption = f"{caption} mini is an embedded miniature: compare patterns with the paper, not numbers.".strip()
    if any(pair_title(record["inputs"]).endswith("*") for record in records):
        caption = f"{caption} * not the upgrade's own weights (see the record's backbones)".strip()
    return Table(columns, tuple(rows), caption)


def cell(statistic: Statistic | None) -> str:
    """mean ± sd, one decimal."""
    if statistic is None:
        return "–"
    return f"{statistic.mean:.1f}" + ("" if statistic.sd is None else f" ± {statistic.sd:.1f}")


def _literal(text: str) -> str:
    """Text that Markdown shows as it is."""
    return text.replace("|", "\\|").replace("*", "\\*")


def _changes(config: Any, default: Any, where: str = "") -> list[str]:
    if not isinstance(config, dict) or not isinstance(default, dict):
        return [] if config == default else [f"{where}={config}"]
    return [c for k in config for c in _changes(config[k], default.get(k), f"{where}.{k}" if where else k)]
