"""Accuracy by number of shots, panels side by side; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat_book.chapters.shots.curves import Curve
from clipcompat_book.show import INK, NEW, OLD, TOP_LEGEND

_STYLES = (("solid", "circle"), ("dash", "square"), ("dot", "diamond"), ("dashdot", "triangle-up"))
_COLOURS = {"old": OLD, "new": NEW, "retrained": NEW}


def shot_panels(panels: Mapping[str, Mapping[str, tuple[str, Curve]]]) -> go.Figure:
    """One panel per title; in it one line per name, with one standard deviation over seeds above and below each point.

    panels: title -> name of a line -> (side, curve). "old" is blue, "new" and "retrained" are orange. A line has the
    same dash and mark in every panel; "retrained" is an open diamond as everywhere. Zero-shot stands at 0 shots.
    """
    sides = {name: side for lines in panels.values() for name, (side, _) in lines.items()}
    styles = {name: _STYLES[i % len(_STYLES)] for i, name in enumerate(sides)}
    styles |= {name: ("dot", "diamond-open") for name, side in sides.items() if side == "retrained"}
    shots = sorted({k for lines in panels.values() for _, curve in lines.values() for k in curve})
    place = {k: i for i, k in enumerate(shots)}
    fig = make_subplots(cols=len(panels), shared_yaxes=True, subplot_titles=list(panels), horizontal_spacing=0.04)
    for column, lines in enumerate(panels.values(), 1):
        for name, (side, curve) in lines.items():
            fig.add_scatter(
                x=[place[k] for k in curve],
                y=[value.mean for value in curve.values()],
                **_look(*styles[name], _COLOURS[side]),
                name=name,
                showlegend=False,
                customdata=list(curve),
                error_y={"array": [value.sd or 0 for value in curve.values()], "thickness": 1, "width": 3},
                hovertemplate=f"{name}, %{{customdata}} shots: %{{y:.1f}} %<extra></extra>",
                row=1,
                col=column,
            )
    for name, style in styles.items():  # the legend is about dashes and marks; colours are the sides'
        fig.add_scatter(x=[None], y=[None], name=name, **_look(*style, INK))
    fig.update_xaxes(tickvals=list(place.values()), ticktext=[str(k) for k in shots], title_text="shots")
    fig.update_xaxes(range=[-0.3, len(shots) - 0.7], zeroline=False)
    curves = [curve for lines in panels.values() for _, curve in lines.values()]
    lowest = min((value.mean - (value.sd or 0) for curve in curves for value in curve.values()), default=0)
    fig.update_yaxes(range=[max(0, lowest - 4), 102], zeroline=False)
    fig.update_yaxes(title_text="test accuracy, percent", col=1)
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=430, margin={"t": 80, "b": 60, "r": 10}, legend=TOP_LEGEND)


def _look(dash: str, symbol: str, colour: str) -> dict:
    edge = {"color": colour, "width": 2 * ("open" in symbol)}
    marker = {"symbol": symbol, "color": colour, "size": 9, "line": edge}
    return {"mode": "lines+markers", "line": {"color": colour, "dash": dash, "width": 2}, "marker": marker}
