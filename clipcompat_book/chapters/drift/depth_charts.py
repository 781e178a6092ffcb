"""Figures of prompts at deeper layers; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.drift.depth import (
    HIDDEN,
    HIDDEN_TUNED,
    INSERTED,
    NOISE,
    NOISE_TUNED,
    WAYS,
    Depth,
    lost,
    old_gain,
    retrained_gain,
)
from clipcompat_book.chapters.drift.first_steps import Steps
from clipcompat_book.show import INK, METHOD_COLOURS, NEW, OLD, TOP_LEGEND, ZERO_SHOT
from clipcompat_book.words import short_name, with_interval

_WAY = {
    NOISE: (METHOD_COLOURS["coop"], "solid"),
    INSERTED: (INK, "dash"),
    NOISE_TUNED: (METHOD_COLOURS["coop"], "dot"),
    HIDDEN: (METHOD_COLOURS["clip_adapter"], "solid"),
    HIDDEN_TUNED: (METHOD_COLOURS["clip_adapter"], "dot"),
}
_LINES = (
    ("retrained on new", "retrained", NEW, "diamond-open", "dot"),
    ("carried to new", "new", NEW, "circle", "solid"),
    ("old", "old", OLD, "circle", "solid"),
)


def depth_lines(found: Depth, way: str = NOISE) -> go.Figure:
    """Accuracy against the layer of the context: one panel per dataset, and one of their mean.

    Large marks are means with 95 % intervals over seeds, faint dots the seeds. Grey lines are zero-shot.
    """
    panels = [(short_name(name), found.on(name)) for name in found.datasets] + [("mean", found)]
    titles = [name for name, _ in panels]
    fig = make_subplots(cols=len(panels), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.02)
    for column, (_, own) in enumerate(panels, 1):
        place = {"row": 1, "col": column}
        for name, field, colour, symbol, dash in _LINES:
            measure = attrgetter(field)
            if field != "retrained":  # the seeds of all three would hide each other
                seeds = [(n, y) for n, values in own.by_seed(way, measure).items() for y in values.values()]
                fig.add_scatter(
                    x=[n for n, _ in seeds],
                    y=[y for _, y in seeds],
                    mode="markers",
                    showlegend=False,
                    legendgroup=name,
                    hovertemplate=f"{name}, a seed: %{{y:.1f}} %<extra></extra>",
                    marker={"color": colour, "size": 5, "opacity": 0.35},
                    **place,
                )
            _add(fig, own.over_seeds(way, measure), name, colour, symbol, dash, column == 1, place)
        for side, dash in (("old", "dash"), ("new", "solid")):
            zero_shot = own.over_seeds(way, attrgetter(f"zs_{side}"))
            fig.add_scatter(
                x=list(zero_shot),
                y=[s.mean for s in zero_shot.values()],
                mode="lines",
                name=f"zero-shot {side}",
                legendgroup=f"zero-shot {side}",
                showlegend=column == 1,
                line={"color": ZERO_SHOT, "dash": dash},
                hovertemplate=f"zero-shot {side}: %{{y:.1f}} %<extra></extra>",
                **place,
            )
    fig.update_xaxes(title_text="layer", dtick=1, zeroline=False)
    fig.update_yaxes(title_text="test accuracy, percent", row=1, col=1)
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=430, margin={"t": 85, "b": 60}, legend=TOP_LEGEND)


def ways_lines(found: Depth) -> go.Figure:
    """Four panels against the layer, one line per start and rate: gain on old, retrained gain, points lost, kept gain.

    Means over the datasets, with intervals over seeds. A share is left out where retraining gains nothing.
    """
    panels = [
        ("gain on old", lambda way: found.over_seeds(way, old_gain)),
        ("gain, retrained", lambda way: found.over_seeds(way, retrained_gain)),
        ("lost by carrying", lambda way: found.over_seeds(way, lost)),
        ("kept gain, percent", found.kept),
    ]
    fig = make_subplots(cols=len(panels), subplot_titles=[title for title, _ in panels], horizontal_spacing=0.07)
    for column, (_, measured) in enumerate(panels, 1):
        place = {"row": 1, "col": column}
        for way in filter(found.reports.__contains__, WAYS):
            colour, dash = _WAY[way]
            _add(fig, measured(way), way, colour, "circle", dash, column == 1, place)
        fig.add_hline(y=0, line={"color": INK, "width": 1}, **place)
    fig.update_xaxes(title_text="layer", dtick=1, zeroline=False)
    fig.update_yaxes(zeroline=False)
    fig.update_yaxes(title_text="points", row=1, col=1)
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=400, margin={"t": 85, "b": 60}, legend=TOP_LEGEND)


def norm_lines(steps: Steps, lr: float) -> go.Figure:
    """Before training, against the layer: norms of a context and of what it replaces; how far one step moves it.

    Logarithmic. steps: of one dataset. lr: the learning rate of the step.
    """
    titles = ["norm of the context", "share of it that one step moves"]
    fig = make_subplots(cols=2, subplot_titles=titles, horizontal_spacing=0.12)
    stream = {layer: step.stream for layer, step in steps[NOISE].items()}
    for start in (NOISE, HIDDEN):
        colour, _ = _WAY[start]
        _plain(fig, {layer: s.context for layer, s in steps[start].items()}, start, colour, "solid", 1)
        _plain(fig, {layer: s.share(lr) for layer, s in steps[start].items()}, start, colour, "solid", 2)
    _plain(fig, stream, "what it replaces", INK, "dash", 1)  # last: it lies on the line of hidden states
    fig.update_xaxes(title_text="layer", dtick=1, zeroline=False)
    fig.update_yaxes(type="log", dtick=1, exponentformat="power")
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=380, margin={"t": 85, "b": 60}, legend=TOP_LEGEND)


def _plain(fig: go.Figure, values: Mapping[int, float], name: str, colour: str, dash: str, column: int) -> None:
    fig.add_scatter(
        x=list(values),
        y=list(values.values()),
        name=name,
        legendgroup=name,
        showlegend=column == 1,
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"size": 8},
        hovertemplate=f"{name}, layer %{{x}}: %{{y:.2g}}<extra></extra>",
        row=1,
        col=column,
    )


def _add(
    fig: go.Figure,
    values: Mapping[int, Statistic | None],
    name: str,
    colour: str,
    symbol: str,
    dash: str,
    legend: bool,
    place: Mapping[str, int],
) -> None:
    """One line of means with intervals over seeds; None leaves a gap."""
    fig.add_scatter(
        x=list(values),
        y=[s and s.mean for s in values.values()],
        error_y={"array": [(s and s.interval) or 0 for s in values.values()], "thickness": 1.5, "width": 4},
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": symbol, "color": colour, "size": 9, "line": {"width": 2, "color": colour}},
        customdata=[f"{name}, layer {n}: {with_interval(s)}" for n, s in values.items()],
        hovertemplate="%{customdata}<extra></extra>",
        **place,
    )
