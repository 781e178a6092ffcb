"""Figures of drift by layer, and of what plug-ins lose there; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.studies.comparison import Comparison
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.drift.curves import Curve
from clipcompat_book.chapters.drift.names import name_places
from clipcompat_book.means import averages
from clipcompat_book.show import INK, METHOD_COLOURS, NEW, OLD, TOP_LEGEND
from clipcompat_book.words import name_title

_COLOURS = (NEW, *(METHOD_COLOURS[name] for name in ("clip_adapter", "cocoop", "tip_adapter", "kgcoop")), OLD)
_GREY = ("random weights", "nothing changed")
_SHORT = {"embeddings": "emb", "output": "out", "tokens": "tok", "positions": "pos"}


def answer(reports: Sequence[Compatibility], panels: Mapping[str, Mapping[str, Curve]]) -> go.Figure:
    """The paper's Fig. 2a, b and c in ours: plug-ins that survive or do not, and drift by layer in two panels more.

    In the first panel a method's line goes from its mean accuracy on old (blue) to that on new (orange).
    """
    titles = ["a  carried plug-ins", *panels]
    fig = make_subplots(cols=len(titles), subplot_titles=titles, horizontal_spacing=0.09)
    means = {name: average for name, average in averages(reports).items() if name != "zero_shot"}
    for row, (name, average) in enumerate(means.items()):
        ends = {"x": [average.old, average.new], "y": [-row, -row]}
        words = f"{name_title(name)}: %{{x:.1f}} %<extra></extra>"
        line = {"color": INK, "width": 2}
        marker = {"color": [OLD, NEW], "size": 11, "symbol": ["circle", "diamond"]}
        fig.add_scatter(**ends, mode="lines+markers", line=line, marker=marker, hovertemplate=words, showlegend=False)
    ticks = {"tickvals": [-row for row in range(len(means))], "ticktext": list(map(name_title, means))}
    fig.update_yaxes(**ticks, zeroline=False, showgrid=False, row=1, col=1)
    fig.update_xaxes(title_text="accuracy, old → new", row=1, col=1)
    for col, curves in enumerate(panels.values(), 2):
        _lines(fig, curves, col, legend=col == 2)
    return _laid_out(fig, 400)


def layer_panels(panels: Mapping[str, Mapping[str, Curve]]) -> go.Figure:
    """One panel per measure, side by side; one line per upgrade; layers from input to output.

    Bars are 95 % intervals over datasets, where there are several.
    """
    fig = make_subplots(cols=len(panels), subplot_titles=list(panels), horizontal_spacing=0.09)
    for col, curves in enumerate(panels.values(), 1):
        _lines(fig, curves, col, legend=col == 1)
    return _laid_out(fig, 400)


def loss_rows(panels: Mapping[str, Mapping[str, Mapping[str, Comparison]]]) -> go.Figure:
    """Panel -> method's name -> part -> points lost: one column of dots per part, one colour per method.

    Bars are 95 % intervals over datasets and seeds.
    """
    fig = make_subplots(cols=len(panels), subplot_titles=list(panels), shared_yaxes=True, horizontal_spacing=0.04)
    for col, methods in enumerate(panels.values(), 1):
        for name, losses in methods.items():
            fig.add_scatter(
                x=list(map(_short, losses)),
                y=[gap.mean for gap in losses.values()],
                error_y={"array": [gap.interval or 0 for gap in losses.values()], "thickness": 1.5, "width": 3},
                name=name_title(name),
                legendgroup=name,
                showlegend=col == 1,
                mode="lines+markers",
                line={"color": METHOD_COLOURS[name], "width": 1.5},
                marker={"size": 8},
                hovertemplate=f"{name_title(name)}, %{{x}}: %{{y:+.1f}} points<extra></extra>",
                row=1,
                col=col,
            )
    fig.update_xaxes(type="category")
    fig.update_yaxes(title_text="points lost", col=1)
    fig.add_hline(y=0, line={"color": INK, "width": 1})
    return _laid_out(fig, 420)


def steps(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> go.Figure:
    """Panel -> line's name -> the part that has just become new -> accuracy.

    A line's name begins with "old" or "new", which gives its colour; one that ends with "zero-shot" is dotted.
    """
    fig = make_subplots(cols=len(panels), subplot_titles=list(panels), shared_yaxes=True, horizontal_spacing=0.04)
    for col, lines in enumerate(panels.values(), 1):
        for name, values in lines.items():
            dash = "dot" if name.endswith("zero-shot") else "solid"
            fig.add_scatter(
                x=list(map(_short, values)),
                y=list(values.values()),
                name=name,
                legendgroup=name,
                showlegend=col == 1,
                mode="lines+markers",
                line={"color": OLD if name.startswith("old") else NEW, "dash": dash},
                hovertemplate=f"{name}, %{{x}}: %{{y:.1f}} %<extra></extra>",
                row=1,
                col=col,
            )
    fig.update_xaxes(type="category", tickfont_size=12, tickangle=0)
    fig.update_yaxes(title_text="test accuracy, percent", col=1)
    return _laid_out(fig, 420)


def drift_against_loss(
    drift: Mapping[str, float], methods: Mapping[str, Mapping[str, Comparison]], title: str
) -> go.Figure:
    """One dot per part and method: how far it moved, and what its exchange costs. title: of the x axis."""
    fig = go.Figure()
    for name, losses in methods.items():
        own = [part for part in losses if part in drift]
        fig.add_scatter(
            x=[drift[part] for part in own],
            y=[losses[part].mean for part in own],
            error_y={"array": [losses[part].interval or 0 for part in own], "thickness": 1.5, "width": 3},
            text=list(map(_short, own)),
            name=name_title(name),
            mode="markers",
            marker={"color": METHOD_COLOURS[name], "size": 10},
            hovertemplate=f"{name_title(name)}, %{{text}}: moved %{{x:.3f}}, %{{y:+.1f}} points<extra></extra>",
        )
    names = {part: _short(part) for part in drift}
    for part, (y, up, anchor) in name_places(drift, list(methods.values()), names).items():
        at = {"x": drift[part], "y": y, "yanchor": "bottom", "yshift": up, "xanchor": anchor}
        fig.add_annotation(text=names[part], showarrow=False, font_size=13, **at)
    fig.update_xaxes(title_text=title)
    fig.update_yaxes(title_text="points lost", zeroline=True)
    return fig.update_layout(height=440, margin={"t": 50}, legend=TOP_LEGEND)


def position_bars(moved: Sequence[float], zero_shot_end: int, context: int) -> go.Figure:
    """How far each position's vector moved, by row. Marked: where zero-shot prompts end, and a context."""
    fig = go.Figure()
    fig.add_bar(y=list(moved), marker_color=NEW, hovertemplate="row %{x}: %{y:.2f}<extra></extra>")
    for row, words in ((zero_shot_end, "zero-shot ends"), (context, "context ends")):
        mark = {"annotation_text": words, "annotation_position": "top right"}
        fig.add_vline(x=row + 0.5, line={"color": INK, "dash": "dot"}, **mark)
    fig.update_xaxes(title_text="row of the prompt, from SOS (0)")
    fig.update_yaxes(title_text="relative change")
    return fig.update_layout(height=340, showlegend=False, margin={"t": 40, "b": 50})


def _lines(fig: go.Figure, curves: Mapping[str, Curve], col: int, legend: bool) -> None:
    colours = iter(_COLOURS)
    for name, curve in curves.items():
        grey = name in _GREY
        fig.add_scatter(
            x=list(map(_short, curve)),
            y=[point.mean for point in curve.values()],
            error_y={"array": [point.interval or 0 for point in curve.values()], "thickness": 1.5, "width": 3},
            name=name,
            legendgroup=name,
            showlegend=legend,
            mode="lines+markers",
            line={"color": INK if grey else next(colours), "dash": "dot" if grey else "solid"},
            hovertemplate=f"{name}, %{{x}}: %{{y:.3g}}<extra></extra>",
            row=1,
            col=col,
        )
    fig.update_xaxes(type="category", row=1, col=col)
    fig.update_yaxes(rangemode="tozero", row=1, col=col)


def _laid_out(fig: go.Figure, height: int) -> go.Figure:
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=height, margin={"t": 80, "b": 50, "l": 50, "r": 10}, legend=TOP_LEGEND)


def _short(layer: str) -> str:
    return _SHORT.get(layer, layer.removeprefix("block "))
