"""What a page says in a figure's place where scripts do not run: its alt text, and its numbers as small tables.

A table has a row per label of an axis and a column per trace. Of several values at one place it has the median, and in
brackets the smallest and the largest; up to three are written out. Where both axes count, a row is a trace. Of a menu,
it has the first choice.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from statistics import median
from typing import Any

import plotly.graph_objects as go

from clipcompat_book.axis import Axis, plain

_ROWS, _COLUMNS, _WORDS = 16, 8, 16  # the most that is written of one panel; the rest is counted
_FEW = 8  # different numbers of an axis up to which each has a row
_EMPTY = "<style>.clipcompat-figure [role=img] {display: none}</style>"  # the frame that nothing will be drawn in
Point = tuple[str, Any, Any]
"""Name of the trace, x, y."""


def fallback(fig: go.Figure, alt: str) -> str:
    """A `<noscript>` of the figure as it is first shown.

    Args:
        fig: a figure of scatter, bar and heatmap traces.
        alt: what it shows, in a sentence.
    """
    menus = " Its menus begin as shown here." if fig.layout.updatemenus or fig.layout.sliders else ""
    words = [f"<p><small>Without scripts, this figure is not drawn.{menus}</small> {html.escape(alt)}</p>"]
    for x, y in dict.fromkeys((trace.xaxis or "x", trace.yaxis or "y") for trace in fig.data):
        words.append(_panel(fig, Axis(fig, x), Axis(fig, y)))
    if texts := _texts(fig):
        words.append(f"<p><small>Written in it: {html.escape('; '.join(texts))}.</small></p>")
    return f"<noscript>{_EMPTY}{''.join(words)}</noscript>"


def _panel(fig: go.Figure, across: Axis, down: Axis) -> str:
    """The table of what is in sight between two axes; empty if nothing is."""
    here = (across.name, down.name)
    shown = [trace for trace in fig.data if (trace.xaxis or "x", trace.yaxis or "y") == here and _counts(trace)]
    title = _title(fig, across, down)
    for trace in shown:
        if trace.type == "heatmap":
            z = [list(line) for line in trace.z]
            rows, columns = (_names(given, n) for given, n in ((trace.y, len(z)), (trace.x, len(z[0]))))
            lines = [[name, *map(_number, line)] for name, line in zip(rows, z, strict=True)]
            return _table(["", *columns], lines, title)
    told = [trace for trace in shown if trace.hoverinfo != "skip"]  # the others are lines between, if they have no name
    named = [trace for trace in shown if trace.name] or told or shown
    points = [(_name(trace), *pair) for trace in named for pair in _pairs(trace)]
    points = [point for point in points if across.inside(point[1]) and down.inside(point[2])]
    if not points:
        return ""
    names = [point[0] for point in points]
    xs, ys = ([axis.read(point[at]) for point in points] for at, axis in ((1, across), (2, down)))
    for labels, values, axis in (
        (down.labels([point[2] for point in points]), xs, across),
        (across.labels([point[1] for point in points]) or _few(xs), ys, down),
    ):
        if labels:
            return _by_label(labels, names, values, ": ".join(filter(None, (title, axis.words))))
    return _by_trace(list(zip(names, xs, ys, strict=True)), across.words or "x", down.words or "y", title)


def _by_label(labels: Sequence[str], names: Sequence[str], values: Sequence[Any], title: str) -> str:
    cells: dict[tuple[str, str], list[float]] = {}
    for label, name, value in zip(labels, names, values, strict=True):
        cells.setdefault((label, name), []).append(value)
    columns = list(dict.fromkeys(names))
    rows = [[label, *(_several(cells.get((label, name), [])) for name in columns)] for label in dict.fromkeys(labels)]
    return _table(["", *columns], rows, title)


def _by_trace(points: Sequence[Point], x: str, y: str, title: str) -> str:
    rows = []
    for name in dict.fromkeys(point[0] for point in points):
        mine = [point for point in points if point[0] == name]
        rows.append([name, str(len(mine)), _several([p[1] for p in mine]), _several([p[2] for p in mine])])
    return _table(["", "points", x, y], rows, title)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> str:
    left = [f"{len(rows) - _ROWS} more rows"] * (len(rows) > _ROWS)
    left += [f"{len(columns) - _COLUMNS} more columns"] * (len(columns) > _COLUMNS)
    title += f" ({', '.join(left)} are left out)" if left else ""
    caption = f"<caption>{html.escape(title)}</caption>" if title else ""
    head = "".join(f"<th>{html.escape(plain(name))}" for name in columns[:_COLUMNS])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(plain(cell))}" for cell in row[:_COLUMNS]) for row in rows[:_ROWS]
    )
    return f"<table>{caption}<tr>{head}{body}</table>"


def _counts(trace: Any) -> bool:
    """Is it in sight, and more than a place for the mouse?"""
    seen = trace.visible in (None, True) and trace.opacity != 0
    return seen and not (trace.type == "scatter" and trace.marker.opacity == 0)


def _name(trace: Any) -> str:
    """Its own, or the words before the number that the mouse shows."""
    words, number, _ = (trace.hovertemplate or "").partition(": %{")
    return trace.name or (words if number and not set("%<") & set(words) else "")


def _pairs(trace: Any) -> list[tuple[Any, Any]]:
    x, y = (list(values) if values is not None else None for values in (trace.x, trace.y))
    x, y = x if x is not None else list(range(len(y or []))), y if y is not None else list(range(len(x or [])))
    return [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]


def _few(values: Sequence[float]) -> list[str]:
    """The values themselves as labels, if there are few different ones."""
    return [_number(value) for value in values] if len(set(values)) <= _FEW else []


def _names(given: Any, count: int) -> list[str]:
    return [str(name) for name in (range(count) if given is None else given)]


def _title(fig: go.Figure, across: Axis, down: Axis) -> str:
    """What make_subplots wrote above this panel."""
    middle = sum(across.domain) / 2 if across.domain else None
    for note in fig.layout.annotations:
        if note.xref == "paper" and middle is not None and down.domain and abs(note.x - middle) < 1e-6:
            if abs(note.y - down.domain[1]) < 1e-6:
                return plain(note.text)
    return ""


def _texts(fig: go.Figure) -> list[str]:
    """Words that stand at places of the plane, such as the titles of pictures; no more than `_WORDS` of them."""
    found = []
    for note in fig.layout.annotations:
        at = [(note.x, note.xref or "x"), (note.y, note.yref or "y")]
        if note.text and all(name[0] in "xy" and name[1:].isdigit() | (name in "xy") for _, name in at):
            if all(Axis(fig, name).inside(value) for value, name in at):
                found.append(plain(note.text.replace("<br>", ", ")))
    found = list(dict.fromkeys(filter(None, found)))
    return found[:_WORDS] + [f"and {len(found) - _WORDS} more"] * (len(found) > _WORDS)


def _several(values: Sequence[Any]) -> str:
    if len(values) <= 3 or any(isinstance(value, str) for value in values):
        return ", ".join(map(_number, values))
    return f"{_number(median(values))} ({_number(min(values))} to {_number(max(values))})"


def _number(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return format(value or 0, ".0f" if abs(value) >= 100 else ".3g").replace("-", "−")  # -0.0 is 0
