"""The README's figure, drawn from the committed records as plain SVG: `python -m book.tools.answer`."""

from __future__ import annotations

import html
from pathlib import Path

from clipcompat.figures import INK, NEW, OLD, ZERO_SHOT
from clipcompat.files import write_atomic
from clipcompat.methods import METHODS
from clipcompat.results import committed_records
from clipcompat.sentences import method_title
from clipcompat.studies.summary import summary
from clipcompat.tables import reports

FILE = Path("book/assets/answer.svg")
_LEFT, _WIDTH, _ROW, _TOP = 230, 820, 26, 64


def draw(records: list[dict]) -> str:
    """One row a record: dots for old and new accuracy, a diamond for retraining on new, a tick for zero-shot on new."""
    rows, y, dataset = [], _TOP, None
    for record in sorted(records, key=_order):
        if record["inputs"]["dataset"] != dataset:
            dataset = record["inputs"]["dataset"]
            y += 14
            rows.append(_text(12, y + 14, dataset, weight="bold"))
            y += _ROW
        numbers = summary(reports(record))
        old, new = numbers["old"].mean, numbers["new"].mean
        rows.append(_text(30, y + 14, method_title(record)))
        rows.append(
            f'<line x1="{_x(old):.1f}" x2="{_x(new):.1f}" y1="{y + 10}" y2="{y + 10}" stroke="{INK}" stroke-width="2"/>'
        )
        rows.append(f'<path d="M{_x(numbers["zs_new"].mean):.1f} {y + 2} v16" stroke="{ZERO_SHOT}" stroke-width="3"/>')
        if numbers["retrained"]:
            x = _x(numbers["retrained"].mean)
            rows.append(f'<path d="M{x:.1f} {y + 3} l7 7 -7 7 -7 -7z" fill="none" stroke="{NEW}" stroke-width="2"/>')
        rows += [f'<circle cx="{_x(v):.1f}" cy="{y + 10}" r="5" fill="{c}"/>' for v, c in ((old, OLD), (new, NEW))]
        y += _ROW
    grid = [
        f'<line x1="{_x(v):.1f}" x2="{_x(v):.1f}" y1="{_TOP}" y2="{y}" stroke="{INK}" stroke-opacity="0.25"/>'
        + _text(_x(v), y + 20, f"{v} %", anchor="middle")
        for v in range(0, 101, 20)
    ]
    seeds = sorted({len(r["per_seed"]) for r in records})
    title = f"Test accuracy, mean of {'/'.join(map(str, seeds))} seeds; provisional miniature upgrade"
    key = [
        _text(12, 22, title, weight="bold"),
        _text(12, 46, "● old backbone", colour=OLD),
        _text(150, 46, "● carried unchanged to new", colour=NEW),
        _text(372, 46, "◇ retrained on new", colour=NEW),
        _text(540, 46, "| zero-shot on new", colour=INK),
    ]
    height = y + 34
    body = "\n".join([*key, *grid, *rows])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="14" role="img" aria-label="{html.escape(title, quote=True)}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _order(record: dict) -> tuple:
    name = record["inputs"]["method"]["name"]
    return record["inputs"]["dataset"], list(METHODS).index(name), len(method_title(record))


def _x(value: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - 30) * value / 100


def _text(x, y, words, anchor="start", weight="normal", colour="#333333") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x}" y="{y}" {style}>{html.escape(words)}</text>'


if __name__ == "__main__":
    write_atomic(FILE, draw(committed_records("compatibility")))
