"""Figures of the chapter: what is lost by a shift against what is lost by the upgrade, and gains side by side."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.methods import METHODS
from clipcompat_book.chapters.ood.points import Point, by_method
from clipcompat_book.means import groups
from clipcompat_book.show import INK, METHOD_COLOURS, NEW, OLD, PALE, TOP_LEGEND
from clipcompat_book.words import short_name

_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
_COLOURS = {METHODS[name].title: colour for name, colour in METHOD_COLOURS.items()}
_ROW = 40


def losses(points: Sequence[Point]) -> go.Figure:
    """A mark per method and shifted set, a mean over seeds: lost by the shift (x), lost by the upgrade (y).

    A method that loses more than twice what any other one loses by the upgrade gets a panel of its own on top, with its
    own scale. Faint dots are seeds.
    """
    methods, sets = list(by_method(points)), list(dict.fromkeys(p.dataset for p in points))
    heights = {name: fmean(p.lost_by_upgrade for p in own) for name, own in by_method(points).items()}
    second, first = sorted(heights.values())[-2:] if len(heights) > 1 else (0.0, 0.0)
    apart = [name for name in methods if len(heights) > 1 and heights[name] == first > 2 * max(second, 1)]
    shares = {"row_heights": [0.22, 0.78], "vertical_spacing": 0.06} if apart else {}
    fig = make_subplots(rows=1 + bool(apart), shared_xaxes=True, **shares)
    for name in methods:
        place = {"row": 1 if name in apart or not apart else 2, "col": 1}
        colour, own = _COLOURS.get(name, INK), by_method(points)[name]
        fig.add_scatter(
            x=[p.lost_by_shift for p in own],
            y=[p.lost_by_upgrade for p in own],
            mode="markers",
            marker={"color": colour, "size": 5, "opacity": 0.3},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
            **place,
        )
        means = groups(own, lambda p: p.dataset)
        fig.add_scatter(
            x=[fmean(p.lost_by_shift for p in same) for same in means.values()],
            y=[fmean(p.lost_by_upgrade for p in same) for same in means.values()],
            mode="markers",
            name=name,
            legendgroup=name,
            marker={"symbol": [_SYMBOLS[sets.index(n) % len(_SYMBOLS)] for n in means], "color": colour, "size": 12},
            customdata=[short_name(n) for n in means],
            hovertemplate=f"{name}, %{{customdata}}: shift %{{x:.1f}}, upgrade %{{y:.1f}}<extra></extra>",
            **place,
        )
    for symbol, name in zip(_SYMBOLS, sets, strict=False):
        mark = {"symbol": symbol, "color": INK, "size": 11}
        fig.add_scatter(x=[None], y=[None], mode="markers", name=short_name(name), marker=mark)
    fig.add_vline(x=0, line={"color": INK, "width": 1})
    fig.add_hline(y=0, line={"color": INK, "width": 1}, row=1 + bool(apart), col=1)
    last = {"row": 1 + bool(apart), "col": 1}
    fig.update_xaxes(zeroline=False, showgrid=True, gridcolor=PALE)
    fig.update_xaxes(title_text="lost by the shift, points", **last)
    fig.update_yaxes(zeroline=False, title_text="lost by the upgrade, points", **last)
    legend = TOP_LEGEND | {"font_size": 12}
    return fig.update_layout(height=560, margin={"t": 90, "b": 60, "l": 60, "r": 10}, legend=legend)


def four_gains(points: Sequence[Point]) -> go.Figure:
    """One row per method: points above zero-shot on the source and on shifted pictures, on old and carried to new.

    Upper half of a row: old; lower half: new. A filled dot is the source's pictures, an open one the shifted sets',
    both means over sets and seeds; the line between them is what the shift takes. A faint open dot is one set. A method
    that is far below all others is written at the left edge instead of drawn.
    """
    mine = by_method(points)
    fig = go.Figure()
    sides = (("old", OLD, 0.17, "tuned", "shifted"), ("new", NEW, -0.17, "carried", "both"))
    for side, colour, up, source, shifted in sides:
        dots: dict[str, list[tuple[float, float, str]]] = {"source": [], "shifted": [], "set": []}
        for row, (name, own) in enumerate(mine.items()):
            y = up - row
            ends = [fmean(getattr(p, gain) for p in own) for gain in (source, shifted)]
            line = {"color": colour, "width": 4}
            fig.add_scatter(x=ends, y=[y, y], mode="lines", line=line, opacity=0.4, hoverinfo="skip", showlegend=False)
            dots["source"].append((ends[0], y, name))
            dots["shifted"].append((ends[1], y, name))
            for dataset, same in groups(own, lambda p: p.dataset).items():
                dots["set"].append((fmean(getattr(p, shifted) for p in same), y, f"{name}, {short_name(dataset)}"))
        for kind, symbol, size in (("set", "circle-open", 6), ("source", "circle", 11), ("shifted", "circle-open", 11)):
            x, y, words = zip(*dots[kind], strict=True)
            fig.add_scatter(
                x=x,
                y=y,
                mode="markers",
                name=f"{side}, {kind}",
                showlegend=kind != "set",
                opacity=0.5 if kind == "set" else 1,
                marker={"symbol": symbol, "color": colour, "size": size, "line": {"width": 2, "color": colour}},
                customdata=words,
                hovertemplate="%{customdata}: %{x:+.1f}<extra>" + f"{side}, {kind}</extra>",
                cliponaxis=False,
            )
    low = sorted(min(min(p.tuned, p.shifted, p.carried, p.both) for p in own) for own in mine.values())
    if len(low) > 1 and low[0] < 2 * low[1] - 15:
        _cut(fig, low[1] - 6)
    fig.add_vline(x=0, line={"color": INK, "width": 2})
    fig.update_yaxes(tickvals=[-row for row in range(len(mine))], ticktext=list(mine), zeroline=False)
    fig.update_yaxes(range=[0.6 - len(mine), 0.6], showgrid=False)
    fig.update_xaxes(title_text="points above zero-shot", zeroline=False)
    return fig.update_layout(height=130 + _ROW * len(mine), margin={"t": 60, "b": 60}, legend=TOP_LEGEND)


def _cut(fig: go.Figure, left: float) -> None:
    """End the axis at `left`; means that lie beyond it are written there."""
    beyond: dict[tuple[float, str], list[float]] = {}
    for trace in fig.data:
        if trace.showlegend and trace.name:
            for x, y in zip(trace.x, trace.y, strict=True):
                beyond.setdefault((y, trace.marker.color), []).extend([x] if x < left else [])
    for (y, colour), values in beyond.items():
        if values:
            words = f"◀ {' and '.join(f'{x:+.0f}' for x in values)}".replace("-", "−")
            fig.add_annotation(
                x=left, y=y, text=words, xanchor="left", showarrow=False, font={"color": colour, "size": 13}
            )
    fig.update_traces(cliponaxis=True)
    right = max(x for trace in fig.data for x in trace.x)
    fig.update_xaxes(range=[left, right + 2])
