"""Figures of how the miniature was made: its vocabulary, its pretraining, its recipes; shown by figures.show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from clipcompat_book.show import INK, METHOD_COLOURS, NEW, OLD

if TYPE_CHECKING:
    import plotly.graph_objects as go

_NEVER = 0.3
"""Where a logarithmic axis shows a count of 0."""
_ATTRIBUTES = {"colour": "solid", "shape": "dash", "texture": "dot", "backdrop": "dashdot"}


def word_strips(counts: Mapping[str, Mapping[str, int]], title: str) -> go.Figure:
    """How often words occur: a strip a group, the first on top, a dot a word, on a logarithmic axis that has a 0."""
    import plotly.graph_objects as go

    fig = go.Figure()
    for row, (group, words) in enumerate(counts.items()):
        fig.add_scatter(
            x=[n or _NEVER for n in words.values()],
            y=[-row + 0.25 * math.sin(2.4 * i) for i in range(len(words))],  # spread, and the same every time
            mode="markers", marker={"color": OLD, "size": 8, "opacity": 0.6},
            customdata=[[word, n] for word, n in words.items()],
            hovertemplate="%{customdata[0]}: %{customdata[1]}<extra>" + group + "</extra>",
        )  # fmt: skip
    decades = [10**k for k in range(1 + len(str(max((n for w in counts.values() for n in w.values()), default=1))))]
    fig.add_vline(x=math.sqrt(_NEVER), line={"color": INK, "dash": "dot"})
    fig.update_yaxes(tickvals=[-row for row in range(len(counts))], ticktext=list(counts), showgrid=False)
    fig.update_yaxes(zeroline=False)
    fig.update_xaxes(
        type="log", title_text=title, range=[math.log10(_NEVER) - 0.2, math.log10(decades[-1])],
        tickvals=[_NEVER, *decades], ticktext=["0", *(f"{n:,}" for n in decades)],
    )  # fmt: skip
    return fig.update_layout(height=110 + 58 * len(counts), showlegend=False, margin_t=15)


def pretraining_curves(runs: Mapping[str, Sequence[Mapping[str, float]]], captions_from: int) -> go.Figure:
    """Zero-shot of four attributes while backbones are pretrained: a facet a run; a dotted line where captions begin.

    runs: title -> the lines of the file of curves that `python -m clipcompat_book.miniature pretrain` wrote.
    captions_from: the step at which the contrastive loss joins the attribute loss.
    """
    from plotly.subplots import make_subplots

    columns = 2 if len(runs) > 1 else 1
    fig = make_subplots(
        rows=max(1, -(-len(runs) // columns)), cols=columns, shared_yaxes=True, subplot_titles=list(runs),
        horizontal_spacing=0.05, vertical_spacing=0.2,
    )  # fmt: skip
    for number, (title, lines) in enumerate(runs.items()):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        for attribute, dash in _ATTRIBUTES.items():
            fig.add_scatter(
                x=[line["step"] for line in lines], y=[line[attribute] for line in lines], mode="lines",
                name=attribute, legendgroup=attribute, showlegend=number == 0,
                line={"color": NEW if "new" in title else OLD, "dash": dash, "width": 2.5}, **place,
                hovertemplate=f"{attribute}, step %{{x}}: %{{y:.1f}} %<extra>{title}</extra>",
            )  # fmt: skip
        fig.add_vline(x=captions_from, line={"color": INK, "dash": "dot"}, **place)
    fig.update_xaxes(title_text="step")
    fig.update_yaxes(range=[0, 104])
    fig.update_yaxes(title_text="zero-shot, percent", col=1)
    return fig.update_layout(height=90 + 250 * max(1, -(-len(runs) // columns)), margin_t=60)


def trial_lines(lines: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Validation accuracy by learning rate: faint dots are trainings, the line is their mean; a colour a method."""
    import plotly.graph_objects as go

    fig = go.Figure()
    for method in dict.fromkeys(line["method"] for line in lines):
        mine = [line for line in lines if line["method"] == method]
        rates = sorted({line["lr"] for line in mine})
        means = [fmean(line["val"] for line in mine if line["lr"] == rate) for rate in rates]
        colour = METHOD_COLOURS.get(method, INK)
        fig.add_scatter(
            x=[line["lr"] for line in mine], y=[line["val"] for line in mine], mode="markers", showlegend=False,
            marker={"color": colour, "size": 6, "opacity": 0.4}, legendgroup=method,
            customdata=[[line["dataset"], line["seed"]] for line in mine],
            hovertemplate="%{customdata[0]}, seed %{customdata[1]}: %{y:.1f} %<extra>" + method + "</extra>",
        )  # fmt: skip
        fig.add_scatter(
            x=rates, y=means, mode="lines+markers", name=method, legendgroup=method,
            line={"color": colour, "width": 3}, marker={"size": 10},
            hovertemplate="mean at %{x}: %{y:.1f} %<extra>" + method + "</extra>",
        )  # fmt: skip
    rates = sorted({line["lr"] for line in lines})
    fig.update_xaxes(type="log", title_text="learning rate", tickvals=rates, ticktext=[f"{rate:g}" for rate in rates])
    return fig.update_yaxes(title_text="validation accuracy, percent")
