"""Figures of the miniature: its vocabulary, its pretraining, its recipes; shown by clipcompat_book.show.show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat_book.means import groups
from clipcompat_book.show import INK, METHOD_COLOURS, NEW, OLD, TOP_LEGEND
from clipcompat_book.words import name_title

_NEVER = 0.3
"""Where a logarithmic axis shows a count of 0."""
_ATTRIBUTES = {"colour": "solid", "shape": "dash", "texture": "dot", "backdrop": "dashdot"}


def word_strips(counts: Mapping[str, Mapping[str, int]], title: str) -> go.Figure:
    """How often words occur: one strip per group, one dot per word, on a logarithmic axis that has a 0."""
    fig = go.Figure()
    for row, (group, words) in enumerate(counts.items()):
        fig.add_scatter(
            x=[n or _NEVER for n in words.values()],
            y=[-row + 0.25 * math.sin(2.4 * i) for i in range(len(words))],  # spread, and the same every time
            mode="markers",
            marker={"color": OLD, "size": 8, "opacity": 0.6},
            customdata=[[word, n] for word, n in words.items()],
            hovertemplate="%{customdata[0]}: %{customdata[1]}<extra>" + group + "</extra>",
        )
    most = max((n for words in counts.values() for n in words.values()), default=1)
    decades = [10**k for k in range(1 + len(str(most)))]
    fig.add_vline(x=math.sqrt(_NEVER), line={"color": INK, "dash": "dot"})
    fig.update_yaxes(tickvals=[-row for row in range(len(counts))], ticktext=list(counts))
    fig.update_yaxes(showgrid=False, zeroline=False)
    fig.update_xaxes(tickvals=[_NEVER, *decades], ticktext=["0", *(f"{n:,}" for n in decades)])
    fig.update_xaxes(type="log", title_text=title, range=[math.log10(_NEVER) - 0.2, math.log10(decades[-1])])
    return fig.update_layout(height=110 + 58 * len(counts), showlegend=False, margin_t=15)


def pretraining_curves(runs: Mapping[str, Sequence[Mapping[str, float]]], captions_from: int) -> go.Figure:
    """Zero-shot of four attributes in pretraining: one facet per run; a dotted line where captions begin.

    runs: title -> the lines of the file of curves that `python -m clipcompat_book.miniature pretrain` wrote.
    captions_from: the step at which the contrastive loss joins the attribute loss.
    """
    columns = 2 if len(runs) > 1 else 1
    rows = max(1, -(-len(runs) // columns))
    gaps = {"horizontal_spacing": 0.05, "vertical_spacing": 0.2}
    fig = make_subplots(rows=rows, cols=columns, shared_yaxes=True, subplot_titles=list(runs), **gaps)
    for number, (title, lines) in enumerate(runs.items()):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        colour = NEW if "new" in title else OLD
        for attribute, dash in _ATTRIBUTES.items():
            fig.add_scatter(
                x=[line["step"] for line in lines],
                y=[line[attribute] for line in lines],
                mode="lines",
                name=attribute,
                legendgroup=attribute,
                showlegend=number == 0,
                line={"color": colour, "dash": dash, "width": 2.5},
                hovertemplate=f"{attribute}, step %{{x}}: %{{y:.1f}} %<extra>{title}</extra>",
                **place,
            )
        fig.add_vline(x=captions_from, line={"color": INK, "dash": "dot"}, **place)
    fig.update_xaxes(title_text="step")
    fig.update_yaxes(range=[0, 104])
    fig.update_yaxes(title_text="zero-shot, percent", col=1)
    return fig.update_layout(height=120 + 250 * rows, margin_t=90, legend=TOP_LEGEND)


_SYMBOLS = ("square", "diamond", "triangle-up", "triangle-down", "x", "star", "cross", "hexagon", "pentagon")


def trial_lines(lines: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Validation accuracy by learning rate: faint dots are trainings, the line is their mean; one colour per method.

    Methods without a colour of their own are grey, each with its own symbol.
    """
    fig, by_method = go.Figure(), groups(lines, lambda line: line["method"])
    grey = dict(zip((method for method in by_method if method not in METHOD_COLOURS), _SYMBOLS, strict=False))
    for method, mine in by_method.items():
        by_rate = groups(mine, lambda line: line["lr"])
        means = {rate: fmean(line["val"] for line in by_rate[rate]) for rate in sorted(by_rate)}
        colour = METHOD_COLOURS.get(method, INK)
        fig.add_scatter(
            x=[line["lr"] for line in mine],
            y=[line["val"] for line in mine],
            mode="markers",
            showlegend=False,
            marker={"color": colour, "size": 6, "opacity": 0.4},
            legendgroup=method,
            customdata=[[line["dataset"], line["seed"]] for line in mine],
            hovertemplate="%{customdata[0]}, seed %{customdata[1]}: %{y:.1f} %<extra>" + method + "</extra>",
        )
        fig.add_scatter(
            x=list(means),
            y=list(means.values()),
            mode="lines+markers",
            name=name_title(method),
            legendgroup=method,
            line={"color": colour, "width": 1 if method in grey else 3},
            marker={"size": 8 if method in grey else 10, "symbol": grey.get(method, "circle")},
            hovertemplate="mean at %{x}: %{y:.1f} %<extra>" + method + "</extra>",
        )
    rates = sorted({line["lr"] for line in lines})
    fig.update_xaxes(type="log", title_text="learning rate", tickvals=rates, ticktext=[f"{rate:g}" for rate in rates])
    fig.update_yaxes(title_text="validation accuracy, percent")
    return fig.update_layout(height=520, margin_t=120, legend=TOP_LEGEND)
