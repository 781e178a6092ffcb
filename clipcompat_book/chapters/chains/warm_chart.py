"""The figure of warm starts: accuracy and negative flips by shots and by epochs, from the carried start and scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.methods import METHODS
from clipcompat_book.chapters.chains.warm import ALL, AXES, WarmRun, curve, places
from clipcompat_book.show import INK, METHOD_COLOURS, TOP_LEGEND

_COLOURS = {METHODS[name].title: colour for name, colour in METHOD_COLOURS.items()}
_DASH = {"carried": ("solid", "circle"), "scratch": ("dash", "circle-open")}


def warm_panels(runs: Mapping[str, Sequence[WarmRun]]) -> go.Figure:
    """Columns: shots and epochs. Rows: accuracy on new, negative flips. A line per method and start; means over sets.

    Place 0 is the carried plug-in as it is.
    """
    fig = make_subplots(
        rows=2, cols=2, shared_xaxes="columns", shared_yaxes="rows", vertical_spacing=0.06, horizontal_spacing=0.04
    )
    for column, axis in enumerate(AXES, 1):
        for row, flips in enumerate((False, True), 1):
            for name, own in runs.items():
                for start in _DASH:
                    _line(fig, curve(own, start, axis, flips), name, start, row, column)
        own = next(iter(runs.values()))
        shown = {ALL: str(own[0].shots) if axis == "shots" else "all"}
        ticks = [shown.get(p, p) for p in places(own, axis)]
        fig.update_xaxes(tickvals=list(range(len(ticks))), ticktext=ticks, col=column, zeroline=False)
        words = "shots, all epochs" if axis == "shots" else f"epochs, {own[0].shots} shots"
        fig.update_xaxes(title_text=words, row=2, col=column)
    fig.update_yaxes(zeroline=False)
    fig.update_yaxes(title_text="accuracy on new, percent", row=1, col=1)
    fig.update_yaxes(title_text="negative flips, percent", row=2, col=1, rangemode="tozero")
    for start, (dash, symbol) in _DASH.items():
        line = {"color": INK, "dash": dash}
        name = "from the carried plug-in" if start == "carried" else "from scratch"
        fig.add_scatter(
            x=[None], y=[None], mode="lines+markers", line=line, marker={"symbol": symbol, "color": INK}, name=name
        )
    return fig.update_layout(height=600, margin={"t": 70, "b": 60, "r": 10}, legend=TOP_LEGEND)


def _line(fig: go.Figure, values: Mapping, name: str, start: str, row: int, column: int) -> None:
    """One line of one panel; from scratch it begins at place 1."""
    dash, symbol = _DASH[start]
    colour = _COLOURS.get(name, INK)
    fig.add_scatter(
        x=[k + (start == "scratch") for k in range(len(values))],
        y=[value.mean for value in values.values()],
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": symbol, "color": colour, "size": 8},
        name=name,
        legendgroup=name,
        showlegend=start == "carried" and row == column == 1,
        customdata=list(values),
        hovertemplate=f"{name}, {start}, %{{customdata}}: %{{y:.1f}}<extra></extra>",
        row=row,
        col=column,
    )
