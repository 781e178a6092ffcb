"""Figures of the chapter: carried, repaired and retrained side by side, and what the number of pictures buys."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from clipcompat.methods import METHODS
from clipcompat_book.chapters.repair.rows import Repaired
from clipcompat_book.show import BASE_CLASSES, INK, METHOD_COLOURS, NEW, PALE, TOP_LEGEND, ZERO_SHOT
from clipcompat_book.words import with_interval

_COLOURS = {METHODS[name].title: colour for name, colour in METHOD_COLOURS.items()}
_ROW = 46
_MARKS = {
    "carried": ("carried", "circle", NEW),
    "repaired": ("repaired", "circle", BASE_CLASSES),
    "retrained": ("retrained", "diamond-open", INK),
}


def ladder(methods: Mapping[str, Repaired]) -> go.Figure:
    """One row per method: accuracy on new of zero-shot (tick), carried, repaired and retrained, means over sets.

    The line between carried and repaired is what the repair gives back. An error bar is half of the 95 % interval of
    the difference to retraining, over sets and seeds.
    """
    fig, rows = go.Figure(), list(methods.values())
    for y, method in enumerate(rows):
        ends = [method.mean("carried"), method.mean("repaired")]
        line = {"color": BASE_CLASSES, "width": 4}
        fig.add_scatter(x=ends, y=[-y, -y], mode="lines", line=line, opacity=0.4, hoverinfo="skip", showlegend=False)
    heights = [-y for y in range(len(rows))]
    tick = {"symbol": "line-ns-open", "size": 16, "color": ZERO_SHOT, "line": {"width": 3}}
    zero = [method.mean("zs_new") for method in rows]
    hover = "%{text}: %{x:.1f}<extra>zero-shot on new</extra>"
    fig.add_scatter(
        x=zero, y=heights, mode="markers", name="zero-shot", marker=tick, text=list(methods), hovertemplate=hover
    )
    for name, (words, symbol, colour) in _MARKS.items():
        gaps = [method.behind(name) for method in rows]
        fig.add_scatter(
            x=[method.mean(name) for method in rows],
            y=heights,
            mode="markers",
            name=words,
            marker={"symbol": symbol, "size": 12, "color": colour, "line": {"width": 2, "color": colour}},
            error_x=None
            if name == "retrained"
            else {"array": [gap.interval or 0 for gap in gaps], "color": colour, "thickness": 1},
            text=[
                f"{method.title}: {with_interval(gap, '+')} against retraining"
                for method, gap in zip(rows, gaps, strict=True)
            ],
            hovertemplate="%{text}<br>%{x:.1f} %<extra>" + words + "</extra>",
        )
    for y, name in zip(heights, methods, strict=True):  # above its row, where a phone has room
        at = {"x": 0, "xref": "paper", "xanchor": "left", "y": y, "yanchor": "bottom", "yshift": 8}
        fig.add_annotation(text=name, showarrow=False, font_size=13, **at)
    fig.update_yaxes(range=[0.4 - len(rows), 0.8], showticklabels=False, zeroline=False, showgrid=False)
    fig.update_xaxes(title_text="accuracy on the new backbone, %", zeroline=False, gridcolor=PALE)
    return fig.update_layout(height=140 + _ROW * len(rows), margin={"t": 60, "b": 60, "l": 15}, legend=TOP_LEGEND)


_DASHES = {"another start": "dash", "random weights": "dot"}
_SYMBOLS = ("square", "diamond", "triangle-up", "triangle-down", "x", "star", "cross", "hexagon")
"""Of methods without a colour of their own."""


def by_count(methods: Mapping[str, Repaired], controls: Mapping[str, Mapping[str, Repaired]]) -> go.Figure:
    """Share of retraining's gain over zero-shot (y) by the number of pictures without labels (x); 0: carried.

    Dashed and dotted: the same on the controls. A plug-in far below zero-shot begins below the axis.
    """
    fig = go.Figure()
    grey = dict(zip((title for title in methods if title not in _COLOURS), _SYMBOLS, strict=False))
    for control, side in {"": methods, **controls}.items():
        for title, method in side.items():
            curve = method.by_count()
            words = f"{title}, {control}" if control else title
            fig.add_scatter(
                x=[str(count) for count in curve],
                y=[100 * share for share in curve.values()],
                mode="lines+markers",
                name=title,
                legendgroup=title,
                showlegend=not control,
                line={"color": _COLOURS.get(title, INK), "dash": _DASHES.get(control, "solid")},
                marker={"symbol": grey.get(title, "circle"), "size": 9 if title in grey else 7},
                hovertemplate=f"{words}, %{{x}} pictures: %{{y:.0f}} %<extra></extra>",
            )
    for control in controls:
        line = {"color": INK, "dash": _DASHES[control]}
        fig.add_scatter(x=[None], y=[None], mode="lines", name=f"new: {control}", line=line)
    fig.add_hline(y=100, line={"color": INK, "width": 1})
    fig.add_hline(y=0, line={"color": INK, "width": 1})
    counts = sorted({count for method in methods.values() for count in method.by_count()})
    fig.update_xaxes(title_text="pictures without labels", type="category", categoryarray=[str(n) for n in counts])
    fig.update_yaxes(title_text="share of what retraining adds, %", range=[-60, 125], zeroline=False, gridcolor=PALE)
    return fig.update_layout(height=480, margin={"t": 110, "b": 60}, legend=TOP_LEGEND)
