"""Figures that look closely at one report, one set of numbers or the controls; shown by clipcompat_book.show.show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from clipcompat_book.show import INK, METHOD_COLOURS, NEW, OLD

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from clipcompat.runs.records import Record
    from clipcompat.studies.report import Compatibility

_PALE = "rgba(128, 128, 128, 0.25)"


def report_lines(report: Compatibility) -> go.Figure:
    """One report as two number lines, old above new: how far from zero-shot, how far from retrained."""
    import plotly.graph_objects as go

    fig = go.Figure()
    rows = [(1, OLD, report.zs_old, report.old, None), (0, NEW, report.zs_new, report.new, report.retrained)]
    for y, colour, zero_shot, plugin, retrained in rows:
        points = [("zero-shot", zero_shot, "line-ns", "bottom"), ("plug-in", plugin, "circle", "top")]
        if retrained is not None:
            points.append(("retrained", retrained, "diamond-open", "bottom"))
            fig.add_scatter(
                x=[zero_shot, retrained], y=[y, y], mode="lines", line={"color": _PALE, "width": 8}, hoverinfo="skip"
            )
        fig.add_scatter(
            x=[zero_shot, plugin], y=[y, y], mode="lines", line={"color": colour, "width": 4}, hoverinfo="skip"
        )
        for name, x, symbol, side in points:
            fig.add_scatter(
                x=[x], y=[y], mode="markers+text", text=[f"{name} {x:.1f}"], textposition=f"{side} center",
                marker={"symbol": symbol, "color": colour, "size": 15, "line": {"width": 3, "color": colour}},
                hovertemplate=f"{name}: {x:.1f} %<extra></extra>", cliponaxis=False,
            )  # fmt: skip
    fig.update_yaxes(tickvals=[1, 0], ticktext=["on old", "on new"], range=[-0.6, 1.6], showgrid=False, zeroline=False)
    values = [x for row in rows for x in row[2:] if x is not None]
    margin = 0.12 * (max(values) - min(values)) + 1
    fig.update_xaxes(title_text="test accuracy, percent", range=[min(values) - margin, max(values) + margin])
    return fig.update_layout(height=300, showlegend=False, margin_t=20)


def strips(groups: Mapping[str, Sequence[float]], title: str, log: bool = False) -> go.Figure:
    """A strip of dots for every group, the first on top, and a bar at its median.

    title: of the x axis. log: logarithmic; values must then be positive.
    """
    import plotly.graph_objects as go

    fig = go.Figure()
    for row, (name, values) in enumerate(groups.items()):
        y = [-row + 0.22 * math.sin(2.4 * i) for i in range(len(values))]  # spread, and the same every time
        fig.add_scatter(
            x=values, y=y, mode="markers", marker={"color": INK, "size": 6, "opacity": 0.55},
            hovertemplate=f"{name}: %{{x:.3g}}<extra></extra>",
        )  # fmt: skip
        middle = median(values)
        fig.add_scatter(
            x=[middle, middle], y=[-row - 0.33, -row + 0.33], mode="lines", line={"color": NEW, "width": 4},
            hovertemplate=f"{name}, median: {middle:.3g}<extra></extra>",
        )  # fmt: skip
    fig.update_yaxes(
        tickvals=[-row for row in range(len(groups))], ticktext=list(groups), showgrid=False, zeroline=False
    )
    fig.update_xaxes(
        title_text=title, type="log" if log else "linear", exponentformat="power", dtick=1 if log else None
    )
    return fig.update_layout(height=110 + 62 * len(groups), showlegend=False, margin_t=15)


def control_rows(records: Sequence[Record]) -> go.Figure:
    """What carried plug-ins add to zero-shot on new: a row an upgrade, from nothing changed to nothing kept.

    Faint dots are datasets; the large one is their mean, with its 95 % interval over seeds. A colour a method.
    """
    import plotly.graph_objects as go

    from clipcompat.methods import METHODS
    from clipcompat_book.chapters.compatibility.controls import gains

    kept = [r for r in records if r.inputs["method"]["name"] != "zero_shot"]
    names = {r.titles.method: r.inputs["method"]["name"] for r in kept}
    titles = sorted(names, key=lambda title: (list(METHODS).index(names[title]), len(title)))
    rows = list(gains(kept))
    fig = go.Figure()
    for number, title in enumerate(titles):
        found = gains([r for r in kept if r.titles.method == title])
        shift = 0.5 * ((len(titles) - 1) / 2 - number) / len(titles)  # the first method on top
        colour = METHOD_COLOURS[names[title]]
        points = [(-rows.index(row) + shift, row, gain) for row, gain in found.items()]
        dots = [(y, f"{row}, {name}", x) for y, row, gain in points for name, x in gain.by_set.items()]
        fig.add_scatter(
            x=[x for *_, x in dots], y=[y for y, *_ in dots], mode="markers", showlegend=False, legendgroup=title,
            marker={"color": colour, "size": 6, "opacity": 0.35}, customdata=[words for _, words, _ in dots],
            hovertemplate="%{customdata}: %{x:+.1f}<extra>" + title + "</extra>",
        )  # fmt: skip
        fig.add_scatter(
            x=[gain.mean for *_, gain in points], y=[y for y, *_ in points], mode="markers", name=title,
            error_x={"array": [gain.interval or 0 for *_, gain in points], "thickness": 2, "width": 5},
            marker={"color": colour, "size": 12, "line": {"width": 1, "color": "white"}}, legendgroup=title,
            customdata=[row for _, row, _ in points],
            hovertemplate="%{customdata}, mean: %{x:+.1f}<extra>" + title + "</extra>",
        )  # fmt: skip
    fig.add_vline(x=0, line={"color": INK, "width": 2})
    ticks = {"tickvals": [-row for row in range(len(rows))], "ticktext": rows}
    fig.update_yaxes(**ticks, range=[0.5 - len(rows), 0.5], zeroline=False)
    fig.update_xaxes(title_text="points above zero-shot on new", zeroline=False)
    return fig.update_layout(
        height=130 + 48 * len(rows), margin={"t": 50, "b": 60},
        legend={"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0, "xref": "container"},
    )  # fmt: skip
