"""Figures of time and memory: how many times as fast, and how both grow; shown by clipcompat_book.show.show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from clipcompat_book.chapters.performance.measurements import BUDGET, Performance, Row
from clipcompat_book.chapters.performance.sentences import duration, size
from clipcompat_book.show import INK, METHOD_COLOURS, TOP_LEGEND
from clipcompat_book.words import name_title

_ROW = 36
_NAMES = 132
"""Pixels for the names of rows, in two lines; more would leave a phone no room for what they name."""
_FAINT = "rgba(128, 128, 128, 0.35)"
_AXES = {"seconds": ("time of a {}", duration), "memory_bytes": ("memory of a {}", size)}


def ratio_dots(measured: Performance) -> go.Figure:
    """How many times as fast, one row per comparison: steps, pictures and whole trainings apart, by number type.

    Whiskers: slowest against fastest repetition. Open dots are extrapolated. A tick: what arithmetic allows.
    """
    lines = _comparisons(measured)
    fig, ticks = go.Figure(), []
    for y, (title, row) in enumerate(lines):
        if row is None:
            words = {"text": f"<b>{title}</b>", "font_size": 13, "showarrow": False}
            fig.add_annotation(x=0, xref="x domain", xanchor="left", xshift=-_NAMES, y=-y, **words)
            continue
        _ratio(fig, row, -y)
        limit = measured.limit(row)
        ticks += [(row.reference_s / limit, -y, title)] if limit else []
    fig.add_scatter(
        x=[x for x, *_ in ticks],
        y=[y for _, y, _ in ticks],
        mode="markers",
        name="what arithmetic allows",
        marker={"symbol": "line-ns", "size": 20, "line": {"color": INK, "width": 3}},
        customdata=[title for *_, title in ticks],
        hovertemplate="arithmetic allows %{x:.1f} ×<extra>%{customdata}</extra>",
    )
    ends = [x for trace in fig.data for x in trace.x]
    values, _ = _ticks(ends or [1], duration)
    fig.update_xaxes(type="log", title_text="times as fast as the plain way")
    fig.update_xaxes(tickvals=values, ticktext=[f"{v:g}" for v in values])
    fig.update_xaxes(range=[math.log10(min([1, *ends])) - 0.05, math.log10(max([2, *ends])) + 0.2])
    shown = {-y: title for y, (title, row) in enumerate(lines) if row}
    fig.update_yaxes(tickvals=list(shown), ticktext=[title.replace(", ", ",<br>", 1) for title in shown.values()])
    fig.update_yaxes(tickfont_size=12, automargin=False)
    fig.update_yaxes(range=[0.6 - max(1, len(lines)), 0.6], zeroline=False, showgrid=False)
    margin = {"t": 50, "b": 60, "l": _NAMES + 4, "r": 10}
    return fig.update_layout(height=120 + _ROW * len(lines), margin=margin, legend=TOP_LEGEND)


def _comparisons(measured: Performance) -> list[tuple[str, Row | None]]:
    """(title, row), or (heading, None), from top to bottom."""
    steps, images = ([r for r in measured.rows if r.kind == kind] for kind in ("step", "images"))
    groups = {f"a step at the text side, {t}": [r for r in steps if r.dtype == t] for t in _types(steps)}
    groups |= {f"pictures through the image tower, {t}": [r for r in images if r.dtype == t] for t in _types(images)}
    groups["a step with both towers, fp32"] = [r for r in measured.rows if r.kind == "towers" and r.dtype == "fp32"]
    groups["a whole training, pictures included"] = [r for r in measured.rows if r.kind == "training"]
    lines: list[tuple[str, Row | None]] = []
    for title, rows in groups.items():
        lines += [(title, None), *((row.title, row) for row in rows)] if rows else []
    return lines


def growth_lines(measured: Performance, sweep: str = "classes", what: str = "seconds") -> go.Figure:
    """Growth of a step with "classes" or "context": one colour per method, the plain way grey, the limit dotted.

    what: "seconds", or "memory_bytes", which has the measurements' budget instead of a limit. Points whose memory
    is not known are left out.
    """
    across, name = ("n_ctx", "context tokens") if sweep == "context" else ("classes", "classes")
    mine = [p for p in measured.points if p.sweep == sweep]
    lines = [_Line("CoOp, plain", [p for p in mine if p.way == "plain" and p.method == "coop"], what, INK, "dash")]
    for method in dict.fromkeys(p.method for p in mine):
        points, colour = measured.sweep(sweep, method), METHOD_COLOURS.get(method, INK)
        lines.append(_Line(name_title(method), points, what, colour))
        if what == "seconds":
            lines.append(_Line(f"{name_title(method)}, arithmetic limit", points, "limit_s", colour, "dot"))
    return _grown(lines, across, name, "step", what, BUDGET if what == "memory_bytes" else None)


def shot_lines(measured: Performance, what: str = "seconds") -> go.Figure:
    """Growth of a whole training with shots: from pictures, where they are encoded already, and the arithmetic limit.

    what: "seconds"; or "memory_bytes", of encoding and of each method's steps, above what has to be kept of pictures.
    """
    lines = []
    for method in dict.fromkeys(t.method for t in measured.trainings):
        mine, title, colour = measured.shots(method), name_title(method), METHOD_COLOURS.get(method, INK)
        if what == "seconds":
            lines += [
                _Line(f"{title}, from pictures", mine, "seconds", colour),
                _Line(f"{title}, steps alone", mine, "steps_s", colour, "dash"),
                _Line(f"{title}, arithmetic limit", mine, "limit_s", colour, "dot"),
            ]
        else:
            lines.append(_Line(f"{title}, steps", mine, "steps_bytes", colour))
    if what != "seconds":
        some = measured.shots(measured.trainings[0].method)
        lines.insert(0, _Line("encoding pictures", some, "pictures_bytes", INK, "dash"))
        lines.append(_Line("kept of pictures", some, "views_bytes", INK, "dot"))
    return _grown(lines, "shots", "shots", "training", what)


@dataclass(frozen=True)
class _Line:
    """What is drawn as one line: `field` of points. dash: "solid" is ours, "dash" another way, "dot" a limit."""

    name: str
    points: Sequence[Any]
    field: str
    colour: str
    dash: str = "solid"


_SYMBOLS = {"solid": "circle", "dash": "square", "dot": "line-ew"}


def _grown(
    lines: Sequence[_Line], across: str, name: str, of: str, what: str, budget: float | None = None
) -> go.Figure:
    """Lines on two logarithmic axes; numbers that are 0 are not known, and left out."""
    title, words = _AXES[what]
    fig, sizes = go.Figure(), set()
    for line in lines:
        points = sorted((p for p in line.points if getattr(p, line.field) > 0), key=lambda p: getattr(p, across))
        sizes |= {getattr(p, across) for p in line.points}
        if not points:
            continue
        y = [getattr(p, line.field) for p in points]
        kept = [_kept(getattr(p, "kept", {})) for p in points]
        fig.add_scatter(
            x=[getattr(p, across) for p in points],
            y=y,
            mode="lines+markers",
            name=line.name,
            line={"color": line.colour, "dash": line.dash, "width": 2},
            marker={"symbol": _SYMBOLS[line.dash], "color": line.colour, "size": 8},
            customdata=list(zip(map(words, y), kept, strict=True)),
            hovertemplate=f"{line.name}, %{{x:,}} {name}: %{{customdata[0]}}%{{customdata[1]}}<extra></extra>",
        )
    drawn = [v for trace in fig.data for v in trace.y]
    if budget is not None:
        drawn.append(budget)
        fig.add_hline(y=budget, line={"color": INK, "dash": "dot", "width": 1})
        place = {"x": 0, "xref": "x domain", "xanchor": "left", "y": math.log10(budget), "yanchor": "bottom"}
        fig.add_annotation(text=f"budget {size(budget)}", font_size=12, showarrow=False, **place)
    fig.update_xaxes(type="log", title_text=name, tickvals=sorted(sizes), ticktext=[f"{s:,}" for s in sorted(sizes)])
    values, labels = _ticks(drawn, words)
    ends = [math.log10(min(drawn)) - 0.1, math.log10(max(drawn)) + 0.15]
    fig.update_yaxes(type="log", tickvals=values, ticktext=labels, range=ends, title_text=title.format(of))
    return fig.update_layout(height=430, margin={"t": 80, "b": 60, "r": 10}, legend=TOP_LEGEND)


def _ratio(fig: go.Figure, row: Row, y: float) -> None:
    """One comparison: a bar from 1, whiskers, and a dot with its number."""
    colour = METHOD_COLOURS.get(row.method, INK)
    bounds = row.bounds or (row.ratio, row.ratio)
    bar = {"color": _FAINT, "width": 6}
    fig.add_scatter(x=[1, row.ratio], y=[y, y], mode="lines", line=bar, hoverinfo="skip", showlegend=False)
    edge = {"color": colour, "width": 2 * row.extrapolated}
    symbol = "circle-open" if row.extrapolated else "circle"
    fig.add_scatter(
        x=[row.ratio],
        y=[y],
        mode="markers+text",
        showlegend=False,
        cliponaxis=False,
        text=[f"{row.ratio:.1f} ×"],
        textposition="top right",
        marker={"color": colour, "size": 11, "symbol": symbol, "line": edge},
        error_x={"array": [bounds[1] - row.ratio], "arrayminus": [row.ratio - bounds[0]], "thickness": 1.5, "width": 4},
        hovertemplate=f"{duration(row.reference_s)} → {duration(row.fast_s)}<extra>{row.title}, {row.dtype}</extra>",
    )


def _types(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(r.dtype for r in rows))


def _kept(kept: Any) -> str:
    words = ", ".join(f"{parts} × {keep}" for keep, parts in kept.items())
    return f" (kept: {words})" if words else ""


def _ticks(values: Sequence[float], words: Callable[[float], str]) -> tuple[list[float], list[str]]:
    """Round values of a logarithmic axis: 1, 2, 5 in each decade, or powers of ten where there are many."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1, 2, 5) if high - low <= 2 else (1,)
    ticks = [s * 10.0**k for k in range(low, high + 1) for s in steps]
    return ticks, [words(v) for v in ticks]
