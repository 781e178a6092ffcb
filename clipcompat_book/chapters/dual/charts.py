"""Figures of the chapter: base against new, a dual prompt, the curves of both weights, and what an upgrade leaves."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from clipcompat_book.chapters.dual.rows import SIDES, Dual, base_gain, by_learner, difference, new_change
from clipcompat_book.explore import menu, visible
from clipcompat_book.means import groups
from clipcompat_book.show import BASE_CLASSES, INK, NEW_CLASSES, OLD, TOP_LEGEND, ZERO_SHOT
from clipcompat_book.words import short_name, with_interval

_HALVES = {"base": BASE_CLASSES, "new": NEW_CLASSES}
PAPER_CURVES = {  # the paper's poster, CoOp, mean of eleven datasets; base at 0.1, 0.3 and 0.5 read off the curve
    "base": {0.0: 81.98, 0.1: 84.7, 0.2: 85.15, 0.3: 85.1, 0.5: 84.85, 1.0: 84.28},
    "new": {0.0: 68.84, 0.02: 68.65, 0.05: 68.2, 0.1: 67.35, 0.2: 65.88},
}


def trade_off(duals: Sequence[Dual]) -> go.Figure:
    """One arrow per dataset, of one learner on old: from zero-shot to the tuned prompt, base (x) against new (y)."""
    fig = go.Figure()
    starts, ends, names = [], [], []
    for name, own in groups(duals, lambda dual: dual.dataset).items():
        starts.append([fmean(dual.row[f"zs_old_{half}"] for dual in own) for half in _HALVES])
        ends.append([fmean(dual.at("old", half, 0.0) for dual in own) for half in _HALVES])
        names.append(short_name(name))
    for start, end in zip(starts, ends, strict=True):
        place = {"x": end[0], "y": end[1], "ax": start[0], "ay": start[1]}
        fig.add_annotation(
            **place, xref="x", yref="y", axref="x", ayref="y", arrowcolor=INK, arrowwidth=1.5, arrowhead=2, text=""
        )
    learner = duals[0].learner
    for label, points, colour in (("zero-shot", starts, ZERO_SHOT), (learner, ends, OLD)):
        x, y = zip(*points, strict=True)
        fig.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=label,
            marker={"color": colour, "size": 11},
            customdata=names,
            hovertemplate=f"%{{customdata}}, {label}: base %{{x:.1f}}, new %{{y:.1f}}<extra></extra>",
        )
    fig.update_xaxes(title_text="base classes, percent", zeroline=False)
    fig.update_yaxes(title_text="new classes, percent", zeroline=False)
    return fig.update_layout(height=460, margin={"t": 50, "b": 60}, legend=TOP_LEGEND)


def dual_prompt(first: torch.Tensor, parallel: torch.Tensor, omega_base: float, omega_new: float) -> go.Figure:
    """P on top, then what each of P', P_b and P_n adds to it, on one scale: rows are tokens, columns channels.

    first, parallel: [token, width].
    """
    step = (parallel - first).numpy()
    panels = {
        "P, from stage 1, frozen": first.numpy(),
        "P′ − P, trained in stage 2": step,
        f"P<sub>b</sub> − P, for base classes: {omega_base:g} of it": omega_base * step,
        f"P<sub>n</sub> − P, for new classes: {omega_new:g} of it": omega_new * step,
    }
    fig = make_subplots(rows=4, subplot_titles=list(panels), vertical_spacing=0.09)
    reach = [float(np.abs(first.numpy()).max()), float(np.abs(step).max())]
    for row, values in enumerate(panels.values(), 1):
        limit = reach[row > 1]
        fig.add_heatmap(
            z=values,
            zmid=0,
            zmin=-limit,
            zmax=limit,
            colorscale="RdBu",
            showscale=False,
            hovertemplate="token %{y}, channel %{x}: %{z:.3f}<extra></extra>",
            row=row,
            col=1,
        )
    fig.update_yaxes(autorange="reversed", showticklabels=False, ticks="")
    fig.update_xaxes(showticklabels=False, ticks="")
    fig.update_xaxes(title_text="channels", row=4, col=1)
    fig.update_annotations(font_size=13, x=0, xanchor="left")
    return fig.update_layout(height=470, margin={"t": 30, "b": 40})


def weight_curves(duals: Sequence[Dual]) -> go.Figure:
    """Accuracy against ω, minus that at ω = 0: base and new classes, on old (left) and carried (right).

    Buttons choose the learner. Dotted: the paper's curves, for CoOp on old.
    """
    mine = by_learner(duals)
    fig = make_subplots(cols=2, shared_yaxes=True, subplot_titles=list(SIDES.values()), horizontal_spacing=0.04)
    owners: list[str] = []
    for learner, own in mine.items():
        for col, side in enumerate(SIDES, 1):
            for half, colour in _HALVES.items():
                gaps = [
                    difference(own, lambda d, w=w, s=side, h=half: d.at(s, h, w) - d.at(s, h, 0.0))
                    for w in own[0].omegas
                ]
                fig.add_scatter(
                    x=own[0].omegas,
                    y=[gap.mean for gap in gaps],
                    error_y={"array": [gap.interval or 0 for gap in gaps], "thickness": 1},
                    mode="lines+markers",
                    line_color=colour,
                    name=f"{half} classes",
                    showlegend=col == 1,
                    hovertemplate="ω = %{x}: %{y:+.2f}<extra>" + f"{learner}, {half}, {SIDES[side]}</extra>",
                    row=1,
                    col=col,
                )
                owners.append(learner)
    for half, curve in PAPER_CURVES.items():
        y = [value - curve[0.0] for value in curve.values()]
        line = {"color": _HALVES[half], "dash": "dot"}
        words = "ω = %{x}: %{y:+.2f}<extra>paper, CoOp</extra>"
        paper = {"x": list(curve), "y": y, "mode": "lines", "line": line, "hovertemplate": words}
        fig.add_scatter(**paper, name=f"{half}, the paper's CoOp", row=1, col=1)
        owners.append("CoOp")
    fig.add_hline(y=0, line={"color": INK, "width": 1})
    _choose(fig, owners, list(mine))
    fig.update_xaxes(title_text="ω, weight of the parallel prompt", zeroline=False)
    fig.update_yaxes(title_text="points against ω = 0", zeroline=False, row=1, col=1)
    return fig.update_layout(height=470, margin={"t": 110, "b": 60}, legend=TOP_LEGEND)


def _choose(fig: go.Figure, owners: Sequence[str], learners: Sequence[str]) -> None:
    """Show the first learner's traces, with a menu of the learners."""
    for trace, owner in zip(fig.data, owners, strict=True):
        trace.visible = owner == learners[0]
    choice = menu("Learner", {name: visible(owners, name) for name in learners})
    fig.update_layout(updatemenus=[choice] if len(learners) > 1 else [])


def after_upgrade(duals: Sequence[Dual]) -> go.Figure:
    """Per learner: what ω_b = 0.2 changes on base and on new classes, on old (filled) and carried to new (open)."""
    mine = by_learner(duals)
    fig = go.Figure()
    for half, measure, up in (("base", base_gain, 0.18), ("new", new_change, -0.18)):
        for side, symbol, shift in (("old", "circle", 0.06), ("carried", "circle-open", -0.06)):
            gaps = [difference(own, measure(side)) for own in mine.values()]
            fig.add_scatter(
                x=[gap.mean for gap in gaps],
                y=[up + shift - row for row in range(len(gaps))],
                error_x={"array": [gap.interval or 0 for gap in gaps], "thickness": 1.5},
                mode="markers",
                marker={"symbol": symbol, "color": _HALVES[half], "size": 11, "line": {"width": 2}},
                name=f"{half} classes, {SIDES[side]}",
                customdata=[f"{name}: {with_interval(gap, '+')}" for name, gap in zip(mine, gaps, strict=True)],
                hovertemplate="%{customdata}<extra></extra>",
            )
    fig.add_vline(x=0, line={"color": INK, "width": 2})
    fig.update_yaxes(tickvals=[-row for row in range(len(mine))], ticktext=list(mine), showgrid=False, zeroline=False)
    fig.update_xaxes(title_text="points against the learner alone", zeroline=False)
    return fig.update_layout(height=150 + 90 * len(mine), margin={"t": 70, "b": 60}, legend=TOP_LEGEND)
