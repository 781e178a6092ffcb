"""Figures of time and memory: how many times as fast, and how both grow; shown by clipcompat.figures.show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from clipcompat.figures import INK, METHOD_COLOURS
from clipcompat.performance import BUDGET, Performance, Row
from clipcompat.performance_sentences import duration, size
from clipcompat.sentences import name_title

if TYPE_CHECKING:
    import plotly.graph_objects as go

_ROW = 30
_PALE = "rgba(128, 128, 128, 0.35)"
_LEGEND = {"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0, "xref": "container"}
_AXES = {"seconds": ("time of a step", duration), "memory_bytes": ("memory of a step", size)}


def ratio_dots(found: Performance) -> go.Figure:
    """How many times as fast, a row a comparison: float32 steps, half-precision steps and whole trainings apart.

    Whiskers: slowest against fastest repetition. Open dots are extrapolated. A tick: what arithmetic allows.
    """
    import plotly.graph_objects as go

    steps = [r for r in found.rows if r.kind == "step"]
    groups = {f"a step at the text side, {t}": [r for r in steps if r.dtype == t] for t in _types(steps)}
    groups["a whole training, pictures included"] = [r for r in found.rows if r.kind == "training"]
    lines: list[tuple[str, Row | None]] = []
    for title, rows in groups.items():
        lines += [(title, None), *((row.title, row) for row in rows)] if rows else []
    fig, ticks = go.Figure(), []
    for y, (title, row) in enumerate(lines):
        if row is None:
            fig.add_annotation(
                text=f"<b>{title}</b>", x=0, xref="x domain", xanchor="left", y=-y, showarrow=False, font_size=13
            )  # fmt: skip
            continue
        _ratio(fig, row, -y)
        limit = found.limit(row)
        ticks += [(row.reference_s / limit, -y, title)] if limit else []
    fig.add_scatter(
        x=[x for x, *_ in ticks], y=[y for _, y, _ in ticks], mode="markers", name="what arithmetic allows",
        marker={"symbol": "line-ns", "size": 20, "line": {"color": INK, "width": 3}}, customdata=[t for *_, t in ticks],
        hovertemplate="arithmetic allows %{x:.1f} ×<extra>%{customdata}</extra>",
    )  # fmt: skip
    ends = [x for trace in fig.data for x in trace.x]
    values, _ = _ticks(ends or [1], duration)
    fig.update_xaxes(
        type="log", title_text="times as fast as the plain way", tickvals=values, ticktext=[f"{v:g}" for v in values],
        range=[math.log10(min([1, *ends])) - 0.05, math.log10(max([2, *ends])) + 0.2],
    )  # fmt: skip
    fig.update_yaxes(
        tickvals=[-y for y, (_, row) in enumerate(lines) if row], ticktext=[title for title, row in lines if row],
        range=[0.6 - max(1, len(lines)), 0.6], zeroline=False, showgrid=False,
    )  # fmt: skip
    margin = {"t": 50, "b": 60, "l": 10, "r": 10}
    return fig.update_layout(height=120 + _ROW * len(lines), margin=margin, legend=_LEGEND)


def growth_lines(found: Performance, sweep: str = "classes", what: str = "seconds") -> go.Figure:
    """Growth of a step with "classes" or "context": a colour a method, the plain way grey, the arithmetic limit dotted.

    what: "seconds", or "memory_bytes", which has the measurements' budget instead of a limit. Points whose memory
    is not known are left out.
    """
    import plotly.graph_objects as go

    title, words = _AXES[what]
    across, name = ("n_ctx", "context tokens") if sweep == "context" else ("classes", "classes")
    mine = [p for p in found.points if p.sweep == sweep]
    lines = [("CoOp, plain", [p for p in mine if p.way == "plain" and p.method == "coop"], what, INK, "dash", "square")]
    for method in dict.fromkeys(p.method for p in mine):
        points, colour = found.sweep(sweep, method), METHOD_COLOURS.get(method, INK)
        lines.append((name_title(method), points, what, colour, "solid", "circle"))
        if what == "seconds":
            lines.append((f"{name_title(method)}, arithmetic limit", points, "limit_s", colour, "dot", "line-ew"))
    fig = go.Figure()
    for label, points, field, colour, dash, symbol in lines:
        points = sorted((p for p in points if getattr(p, field) > 0), key=lambda p: getattr(p, across))
        if not points:
            continue
        y = [getattr(p, field) for p in points]
        fig.add_scatter(
            x=[getattr(p, across) for p in points], y=y, mode="lines+markers", name=label,
            line={"color": colour, "dash": dash, "width": 2}, marker={"symbol": symbol, "color": colour, "size": 8},
            customdata=[[words(v), _kept(p.kept)] for v, p in zip(y, points, strict=True)],
            hovertemplate=f"{label}, %{{x:,}} {name}: %{{customdata[0]}}%{{customdata[1]}}<extra></extra>",
        )  # fmt: skip
    drawn = [v for trace in fig.data for v in trace.y]
    if what == "memory_bytes":
        drawn.append(BUDGET)
        fig.add_hline(y=BUDGET, line={"color": INK, "dash": "dot", "width": 1})
        fig.add_annotation(
            text=f"budget {size(BUDGET)}", x=0, xref="x domain", xanchor="left", y=math.log10(BUDGET), yanchor="bottom",
            showarrow=False, font_size=12,
        )  # fmt: skip
    sizes = sorted({getattr(p, across) for p in mine})
    fig.update_xaxes(type="log", title_text=name, tickvals=sizes, ticktext=[f"{s:,}" for s in sizes])
    values, labels = _ticks(drawn, words)
    ends = [math.log10(min(drawn)) - 0.1, math.log10(max(drawn)) + 0.15]
    fig.update_yaxes(type="log", tickvals=values, ticktext=labels, range=ends, title_text=title)
    return fig.update_layout(height=430, margin={"t": 80, "b": 60, "r": 10}, legend=_LEGEND)


def shot_times(found: Performance) -> go.Figure:
    """Seconds of a whole training by shots: from pictures, and where their features are kept already."""
    import plotly.graph_objects as go

    fig = go.Figure()
    shots = sorted({t.shots for t in found.trainings})
    place = {k: i for i, k in enumerate(shots)}
    for method in dict.fromkeys(t.method for t in found.trainings):
        mine = sorted((t for t in found.trainings if t.method == method), key=lambda t: t.shots)
        for field, how, dash in (("seconds", "from pictures", "solid"), ("steps_s", "features kept", "dot")):
            label, colour = f"{name_title(method)}, {how}", METHOD_COLOURS.get(method, INK)
            fig.add_scatter(
                x=[place[t.shots] for t in mine], y=[getattr(t, field) for t in mine], mode="lines+markers", name=label,
                line={"color": colour, "dash": dash, "width": 2}, marker={"color": colour, "size": 9},
                customdata=[t.shots for t in mine],
                hovertemplate=f"{label}, %{{customdata}} shots: %{{y:.2f}} s<extra></extra>",
            )  # fmt: skip
    fig.update_xaxes(tickvals=list(place.values()), ticktext=[str(k) for k in shots])
    fig.update_xaxes(title_text="shots", zeroline=False)
    fig.update_yaxes(title_text="seconds of a training", rangemode="tozero", zeroline=False)
    return fig.update_layout(height=400, margin={"t": 60, "b": 60, "r": 10}, legend=_LEGEND)


def _ratio(fig: Any, row: Row, y: float) -> None:
    """One comparison: a bar from 1, whiskers, and a dot with its number."""
    colour = METHOD_COLOURS.get(row.method, INK)
    bounds = row.bounds or (row.ratio, row.ratio)
    fig.add_scatter(
        x=[1, row.ratio], y=[y, y], mode="lines", line={"color": _PALE, "width": 6}, hoverinfo="skip", showlegend=False
    )  # fmt: skip
    fig.add_scatter(
        x=[row.ratio], y=[y], mode="markers+text", showlegend=False, cliponaxis=False,
        text=[f"{row.ratio:.1f} ×" + (" (extrapolated)" if row.extrapolated else "")], textposition="top center",
        marker={
            "color": colour, "size": 11, "symbol": "circle-open" if row.extrapolated else "circle",
            "line": {"color": colour, "width": 2 * row.extrapolated},
        },
        error_x={"array": [bounds[1] - row.ratio], "arrayminus": [row.ratio - bounds[0]], "thickness": 1.5, "width": 4},
        hovertemplate=f"{duration(row.reference_s)} → {duration(row.fast_s)}<extra>{row.title}, {row.dtype}</extra>",
    )  # fmt: skip


def _types(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(r.dtype for r in rows))


def _kept(kept: Any) -> str:
    told = ", ".join(f"{parts} × {keep}" for keep, parts in kept.items())
    return f" (kept: {told})" if told else ""


def _ticks(values: Sequence[float], words: Callable[[float], str]) -> tuple[list[float], list[str]]:
    """Round values of a logarithmic axis: 1, 2, 5 in each decade, or powers of ten where there are many."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1, 2, 5) if high - low <= 2 else (1,)
    found = [s * 10.0**k for k in range(low, high + 1) for s in steps]
    return found, [words(v) for v in found]
