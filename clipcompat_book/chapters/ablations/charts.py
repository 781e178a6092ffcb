"""Figures of the chapter: all switches on two axes, all switches in rows, the paper's ablations beside ours, shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat_book.chapters.ablations.effects import MEASURES, Effect
from clipcompat_book.chapters.ablations.labels import place_labels
from clipcompat_book.chapters.ablations.paper import Row
from clipcompat_book.show import INK, NEW, OLD, PALE, TOP_LEGEND
from clipcompat_book.words import indexed, with_interval

_PANELS = {"old": ("on old", OLD), "new": ("carried to new", NEW), "kept": ("kept: gain on new − on old", INK)}
_CLEAR = "rgba(0, 0, 0, 0)"
_LONG = 18  # letters of a name in one line
_NAMED = 7
"""Of more switches than these, the figure would have more words than dots."""


def plane(effects: Sequence[Effect]) -> go.Figure:
    """A dot per switch: what it moves on old (x) and on new (y). Full: one of the two is sure on these sets.

    These are named, and those that move most. On the diagonal a switch moves both alike, and what is kept stays.
    """
    sure = [e for e in effects if e.sure("old") or e.sure("new")]
    others = [e for e in effects if e not in sure]
    ends = [e.moves[m].mean for e in effects for m in ("old", "new")]
    low, high = min(*ends, -1) * 1.12, max(*ends, 1) * 1.12
    fig = go.Figure()
    diagonal = {"mode": "lines", "line": {"color": INK, "width": 1, "dash": "dot"}, "hoverinfo": "skip"}
    fig.add_scatter(x=[low, high], y=[low, high], showlegend=False, **diagonal)
    for own, name, marker in (
        (others, "not told from chance", {"symbol": "circle-open", "color": INK, "size": 8, "line": {"width": 1.5}}),
        (sure, "moves old or new on these sets", {"symbol": "circle", "color": NEW, "size": 11}),
    ):
        fig.add_scatter(
            x=[e.moves["old"].mean for e in own],
            y=[e.moves["new"].mean for e in own],
            mode="markers",
            marker=marker,
            name=name,
            customdata=[_hover(e) for e in own],
            hovertemplate="%{customdata}<extra></extra>",
            cliponaxis=False,
        )
    first = sorted(effects, key=lambda e: (e in sure, _size(e)))[-_NAMED:]
    dots = [_dot(e) for e in effects]
    strokes = [((low, low), (high, high)), ((low, 0.0), (high, 0.0)), ((0.0, low), (0.0, high))]
    named = {_lines(e.reading.label): _dot(e) for e in sorted(first, key=lambda e: e.moves["new"].mean)}
    for name, (ax, ay) in place_labels(dots, named, (low, high), (low, high), strokes).items():
        x, y = named[name]
        line = {"showarrow": True, "arrowhead": 0, "arrowwidth": 1, "arrowcolor": INK, "standoff": 5}
        fig.add_annotation(x=x, y=y, text=indexed(name), ax=ax, ay=ay, font_size=12, **line)
    for add in (fig.add_vline, fig.add_hline):
        add(0, line={"color": INK, "width": 1})
    fig.update_xaxes(title_text="moved on old, points", zeroline=False, range=[low, high])
    fig.update_yaxes(title_text="moved on new, points", zeroline=False, range=[low, high])
    return fig.update_layout(height=480, margin={"t": 70, "b": 60, "l": 60, "r": 30}, legend=TOP_LEGEND)


def rows(effects: Sequence[Effect]) -> go.Figure:
    """One row per switch, one panel per measure. Full: the interval leaves 0 out. Diamond: sure on these sets."""
    fig = make_subplots(
        cols=3, shared_yaxes=True, subplot_titles=[_PANELS[m][0] for m in MEASURES], horizontal_spacing=0.03
    )
    for column, measure in enumerate(MEASURES, 1):
        title, colour = _PANELS[measure]
        gaps = [e.moves[measure] for e in effects]
        fig.add_scatter(
            x=[gap.mean for gap in gaps],
            y=[-y for y in range(len(effects))],
            mode="markers",
            marker={
                "symbol": ["diamond" if e.sure(measure) else "circle" for e in effects],
                "color": [colour if e.moved(measure) else _CLEAR for e in effects],
                "size": [11 if e.sure(measure) else 9 for e in effects],
                "line": {"width": 2, "color": colour},
            },
            error_x={"array": [gap.interval or 0 for gap in gaps], "color": colour, "thickness": 1.5, "width": 3},
            customdata=[
                f"{e.reading.label}: {with_interval(e.moves[measure], '+')}, p = {e.p[measure]:.2g}" for e in effects
            ],
            hovertemplate="%{customdata}<extra>" + title + "</extra>",
            showlegend=False,
            row=1,
            col=column,
        )
        fig.add_vline(x=0, line={"color": INK, "width": 1}, row=1, col=column)
    kinds = [e.reading.kind for e in effects]
    for y in range(1, len(kinds)):
        if kinds[y] != kinds[y - 1]:
            fig.add_hline(y=0.5 - y, line={"color": PALE, "width": 1})
    ticks = {"tickvals": [-y for y in range(len(effects))], "ticktext": [indexed(e.reading.label) for e in effects]}
    fig.update_yaxes(range=[0.6 - len(effects), 0.6], showgrid=False, zeroline=False, tickfont_size=12)
    fig.update_yaxes(**ticks, row=1, col=1)
    fig.update_xaxes(title_text="points", zeroline=False)
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=110 + 21 * len(effects), margin={"t": 40, "b": 55, "r": 10})


def beside(tables: Mapping[str, Sequence[Row]]) -> go.Figure:
    """One panel per table of the paper: changes from its default on old and new, printed (open) and ours (full)."""
    fig = make_subplots(rows=2, cols=2, subplot_titles=list(tables), horizontal_spacing=0.24, vertical_spacing=0.16)
    for number, own in enumerate(tables.values()):
        place = {"row": 1 + number // 2, "col": 1 + number % 2}
        for side, (name, colour) in enumerate((("on old", OLD), ("on new", NEW))):
            for whose, symbol in (("paper", "circle-open"), ("ours", "circle")):
                values = [(r.printed[side], 0.0) if whose == "paper" else _ours(r, side) for r in own]
                bar = {"thickness": 1.5, "width": 2, "visible": whose == "ours"}
                up = (0.27, -0.09)[side] - (0.18 if whose == "ours" else 0)
                fig.add_scatter(
                    x=[x for x, _ in values],
                    y=[up - y for y in range(len(own))],
                    error_x={**bar, "array": [half for _, half in values], "color": colour},
                    mode="markers",
                    marker={"symbol": symbol, "color": colour, "size": 9, "line": {"width": 2, "color": colour}},
                    name=f"{whose}, {name}",
                    legendgroup=f"{whose}, {name}",
                    showlegend=number == 0,
                    customdata=[
                        f"{r.label}: {x:+.1f}" + (f" ± {h:.1f}" if h else "")
                        for r, (x, h) in zip(own, values, strict=True)
                    ],
                    hovertemplate="%{customdata}<extra>" + f"{whose}, {name}</extra>",
                    **place,
                )
        fig.add_vline(x=0, line={"color": INK, "width": 1}, **place)
        fig.update_yaxes(
            tickvals=[-y for y in range(len(own))],
            ticktext=[r.label for r in own],
            range=[0.5 - len(own), 0.5],
            showgrid=False,
            zeroline=False,
            **place,
        )
    fig.update_xaxes(zeroline=False)
    fig.update_xaxes(title_text="points from the paper's default", row=2)
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=560, margin={"t": 90, "b": 60, "r": 10}, legend=TOP_LEGEND)


def _ours(row: Row, side: int) -> tuple[float, float]:
    return row.ours[side].mean, row.ours[side].interval or 0.0


def _dot(effect: Effect) -> tuple[float, float]:
    return effect.moves["old"].mean, effect.moves["new"].mean


def _lines(label: str) -> str:
    """A long label in two lines, broken after a comma or a colon."""
    at = max(label.find(", "), label.find(": "))
    return f"{label[: at + 1]}<br>{label[at + 2 :]}" if at > 0 and len(label) > _LONG else label


def _size(effect: Effect) -> float:
    return max(abs(effect.moves[m].mean) for m in ("old", "new"))


def _hover(effect: Effect) -> str:
    moves = ", ".join(f"{m} {with_interval(effect.moves[m], '+')}" for m in MEASURES)
    return f"{effect.reading.label}: {moves}"
