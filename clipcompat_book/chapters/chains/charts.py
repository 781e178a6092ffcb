"""Figures of chains: what each step loses, accuracy over the generations, and many small steps."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.methods import METHODS
from clipcompat_book.chapters.chains.steps import Chain, by_method, over_sets
from clipcompat_book.show import BASE_CLASSES, INK, METHOD_COLOURS, NEW, OLD, PALE, TOP_LEGEND, ZERO_SHOT

GENERATIONS = ("old", "new", "newer")
_TUNED_ON = (OLD, NEW, BASE_CLASSES)  # the colour of a plug-in by the generation that it was tuned on
_COLOURS = {METHODS[name].title: colour for name, colour in METHOD_COLOURS.items()}
_ROW = 58
_COLUMNS = 3


def steps(chains: Sequence[Chain]) -> go.Figure:
    """One row per method of chains of three generations: points below tuning there, with 95 % intervals.

    Upper line: the first step, and behind it the second step of a plug-in that was tuned on new, so that the line ends
    at their sum. Lower line: the oldest plug-in after both steps at once.
    """
    fig = go.Figure()
    methods = by_method(chains)
    first = [over_sets(own, lambda c: c.steps[0]) for own in methods.values()]
    second = [over_sets(own, lambda c: c.steps[1]) for own in methods.values()]
    at_once = [over_sets(own, lambda c: c.shortfall(0, 2)) for own in methods.values()]
    rows = list(range(len(methods)))
    bars = (
        ("first step: old → new", [0.0] * len(rows), first, OLD, 0.2),
        ("second step: tuned on new → newer", [s.mean for s in first], second, NEW, 0.2),
        ("both at once: old → newer", [0.0] * len(rows), at_once, BASE_CLASSES, -0.2),
    )
    for name, start, values, colour, up in bars:
        fig.add_bar(
            y=[up - row for row in rows],
            x=[v.mean for v in values],
            base=start,
            orientation="h",
            width=0.34,
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            opacity=0.85,
            error_x={"array": [v.interval or 0 for v in values], "color": INK, "thickness": 1.5, "width": 4},
            customdata=[[v.mean, v.interval or 0] for v in values],
            hovertemplate="%{customdata[0]:.1f} ± %{customdata[1]:.1f} points<extra>" + name + "</extra>",
        )
    fig.add_vline(x=0, line={"color": INK, "width": 1})
    fig.update_yaxes(tickvals=[-row for row in rows], ticktext=list(methods), zeroline=False, showgrid=False)
    fig.update_yaxes(range=[0.55 - len(rows), 0.55])
    fig.update_xaxes(title_text="points below a plug-in that was tuned there", zeroline=False, gridcolor=PALE)
    layout = {"barmode": "overlay", "height": 130 + _ROW * len(rows), "margin": {"t": 80, "b": 60, "r": 10}}
    return fig.update_layout(**layout, legend=TOP_LEGEND)


def generations(chains: Sequence[Chain], names: Sequence[str] = GENERATIONS) -> go.Figure:
    """One panel per method: mean accuracy on every generation, a line per generation that the plug-in was tuned on.

    A line begins with a filled dot where the plug-in was tuned; open dots are where it was carried. Zero-shot is grey.
    """
    methods = by_method(chains)
    columns = min(_COLUMNS, len(methods))
    rows = -(-len(methods) // columns)
    gaps = {"vertical_spacing": 0.28 / max(1, rows), "horizontal_spacing": 0.04}
    fig = make_subplots(rows=rows, cols=columns, shared_yaxes=True, subplot_titles=list(methods), **gaps)
    for n, own in enumerate(methods.values()):
        place = {"row": n // columns + 1, "col": n % columns + 1}
        zero = [fmean(c.zero_shot[j] for c in own) for j in range(len(names))]
        line = {"color": ZERO_SHOT, "width": 2, "dash": "dot"}
        fig.add_scatter(x=list(names), y=zero, mode="lines", line=line, name="zero-shot", showlegend=not n, **place)
        for i, tuned_on in enumerate(names):
            there = range(i, len(names))
            fig.add_scatter(
                x=[names[j] for j in there],
                y=[fmean(c.accuracy[i, j] for c in own) for j in there],
                mode="lines+markers",
                line={"color": _TUNED_ON[i], "width": 2},
                marker={"symbol": ["circle" if j == i else "circle-open" for j in there], "size": 9},
                name=f"tuned on {tuned_on}",
                showlegend=not n,
                hovertemplate="%{x}: %{y:.1f} %<extra>tuned on " + tuned_on + "</extra>",
                **place,
            )
    fig.update_yaxes(range=[0, 102], zeroline=False)
    for row in range(rows):
        fig.update_yaxes(title_text="accuracy, percent", row=row + 1, col=1)
    fig.update_xaxes(zeroline=False, categoryorder="array", categoryarray=list(names))
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=110 + 240 * rows, margin={"t": 80, "b": 40, "r": 10}, legend=TOP_LEGEND)


def small_steps(chains: Sequence[Chain], names: Sequence[str]) -> go.Figure:
    """A line per method: points below tuning there after each of many small updates, with 95 % intervals.

    Dotted: the losses of single updates, added up. names: of the generations.
    """
    fig = go.Figure()
    for name, own in by_method(chains).items():
        colour = _COLOURS.get(name, INK)
        last = own[0].last
        carried = [over_sets(own, lambda c, j=j: c.shortfall(0, j)) for j in range(1, last + 1)]
        added = [over_sets(own, lambda c, j=j: sum(c.steps[:j])) for j in range(1, last + 1)]
        for values, dash, what in ((carried, "solid", "carried at once"), (added, "dot", "single updates, added")):
            solid = dash == "solid"
            fig.add_scatter(
                x=list(names),
                y=[0.0, *(v.mean for v in values)],
                mode="lines+markers" if solid else "lines",
                line={"color": colour, "width": 2, "dash": dash},
                marker={"size": 8},
                error_y={"array": [0, *(v.interval or 0 for v in values)], "thickness": 1, "width": 3}
                if solid
                else None,
                name=name if solid else f"{name}, {what}",
                hovertemplate=f"{name}, {what}, %{{x}}: %{{y:.1f}} points<extra></extra>",
            )
    fig.add_hline(y=0, line={"color": INK, "width": 1})
    fig.update_yaxes(title_text="points below a plug-in tuned there", zeroline=False)
    fig.update_xaxes(title_text="the backbone's training steps", type="category", zeroline=False)
    return fig.update_layout(height=420, margin={"t": 90, "b": 60, "r": 10}, legend=TOP_LEGEND)
