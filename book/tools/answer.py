"""The README's figure, drawn from the committed records as plain SVG: `python -m book.tools.answer`."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from clipcompat.common.files import write_atomic
from clipcompat.runs.records import Record
from clipcompat.studies.summary import summary
from clipcompat_book.chapters.compatibility.controls import shipped_pair
from clipcompat_book.committed import committed_records
from clipcompat_book.show import INK, NEW, OLD, ZERO_SHOT
from clipcompat_book.words import short_name

FILE = Path("book/assets/answer.svg")
METHODS = ("CoOp", "ContCoOp")
_LEFT, _PANEL, _GAP, _ROW, _TOP = 120, 310, 48, 24, 96
_WIDTH = _LEFT + len(METHODS) * (_PANEL + _GAP) - 10
_NUMBERS = ("old", "new", "zs_new", "retrained")


def draw(records: Sequence[Record]) -> str:
    """One panel per method, one row per dataset: dots for old and new, a diamond for retraining, a tick for zero-shot.

    Only the records of the upgrade's own weights count; the last row is the mean of the datasets above it.
    """
    own = [r for r in shipped_pair(records) if r.titles.method in METHODS]
    numbers_of = {(r.titles.method, r.dataset): _numbers(r) for r in own}
    datasets = sorted({dataset for _, dataset in numbers_of})
    shapes, bottom = [], _TOP + _ROW * (len(datasets) + 1) + 10
    for column, method in enumerate(METHODS):
        left = _LEFT + column * (_PANEL + _GAP)
        shapes += _panel(left, bottom, method)
        rows = [(y, numbers_of[method, name]) for y, name in enumerate(datasets) if (method, name) in numbers_of]
        for y, numbers in rows:
            shapes += _row(left, _TOP + _ROW * y, numbers)
        if rows:
            mean = {part: _mean([numbers[part] for _, numbers in rows]) for part in _NUMBERS}
            shapes += _row(left, bottom - _ROW, mean)
    names = [_text(12, _TOP + _ROW * y + 15, short_name(name)) for y, name in enumerate(datasets)]
    names.append(_text(12, bottom - _ROW + 15, f"mean of {len(datasets)}", weight="bold"))
    seeds = "/".join(str(n) for n in sorted({len(r.per_seed) for r in own}))
    title = f"Test accuracy on {len(datasets)} datasets of the embedded miniature, mean of {seeds} seeds"
    key = [
        _text(12, 22, title, weight="bold"),
        _text(12, 46, "● old backbone", colour=OLD),
        _text(150, 46, "● carried unchanged to new", colour=NEW),
        _text(372, 46, "◇ retrained on new", colour=NEW),
        _text(540, 46, "| zero-shot on new", colour=INK),
    ]
    height, body = bottom + 30, "\n".join([*key, *names, *shapes])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="14" role="img" aria-label="{html.escape(title, quote=True)}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _numbers(record: Record) -> dict[str, float | None]:
    statistics = summary(record.reports)
    return {part: statistics[part] and statistics[part].mean for part in _NUMBERS}


def _mean(values: Sequence[float | None]) -> float | None:
    return None if None in values else fmean(values)


def _panel(left: int, bottom: int, method: str) -> list[str]:
    """The title and the grid of one method."""
    lines = [_text(left, _TOP - 14, method, weight="bold")]
    for value in range(0, 101, 25):
        x = left + _PANEL * value / 100
        place = f'x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{bottom}"'
        lines.append(f'<line {place} stroke="{INK}" stroke-opacity="0.25"/>')
        lines.append(_text(round(x), bottom + 18, f"{value} %", anchor="middle"))
    return lines


def _row(left: int, top: int, numbers: Mapping[str, float | None]) -> list[str]:
    x = {part: f"{left + _PANEL * value / 100:.1f}" for part, value in numbers.items() if value is not None}
    y = top + 10
    shapes = [f'<line x1="{x["old"]}" x2="{x["new"]}" y1="{y}" y2="{y}" stroke="{INK}" stroke-width="2"/>']
    shapes.append(f'<path d="M{x["zs_new"]} {top + 2} v16" stroke="{ZERO_SHOT}" stroke-width="3"/>')
    if "retrained" in x:
        diamond = f"M{x['retrained']} {top + 3} l7 7 -7 7 -7 -7z"
        shapes.append(f'<path d="{diamond}" fill="none" stroke="{NEW}" stroke-width="2"/>')
    dots = (("old", OLD), ("new", NEW))
    return shapes + [f'<circle cx="{x[part]}" cy="{y}" r="5" fill="{colour}"/>' for part, colour in dots]


def _text(x, y, words, anchor="start", weight="normal", colour="#333333") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x}" y="{y}" {style}>{html.escape(words)}</text>'


if __name__ == "__main__":
    write_atomic(FILE, draw(committed_records("compatibility")))
