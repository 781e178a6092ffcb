"""The chapter's figures of parts and of factors; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat_book.chapters.contcoop.factors import Effect
from clipcompat_book.show import INK, NEW, OLD, PALE, TOP_LEGEND
from clipcompat_book.words import Spread, indexed, with_interval

Parts = tuple[bool, bool]
"""Whether a method has attention, and whether it has distillation."""
_PARTS = {(True, False): "attention alone", (False, True): "distillation alone", (True, True): "both: ContCoOp"}

_PANELS = (("on old", "old", OLD), ("on new", "new", NEW), ("lead over CoOp on new", "lead", NEW))


def ablation_dots(ours: Mapping[Parts, tuple[Spread, Spread]], paper: Mapping[Parts, tuple[float, float]]) -> go.Figure:
    """Points above CoOp of each part and of both, on old and on new: as the paper prints them, beside ours.

    paper: accuracies; (False, False) is CoOp.
    """
    base = paper[False, False]
    panels = [
        ("paper: DTD", {parts: [(x - b, 0.0) for x, b in zip(paper[parts], base, strict=True)] for parts in ours}),
        ("ours: mini", {parts: [(s.mean, s.interval or 0.0) for s in both] for parts, both in ours.items()}),
    ]
    fig = make_subplots(cols=2, shared_yaxes=True, subplot_titles=[t for t, _ in panels], horizontal_spacing=0.04)
    for column, (title, rows) in enumerate(panels, 1):
        for side, (name, colour) in enumerate((("on old", OLD), ("on new", NEW))):
            values = [pair[side] for pair in rows.values()]
            words = [f"{x:+.1f}" + (f" ± {half:.1f}" if half else "") for x, half in values]
            fig.add_scatter(
                x=[x for x, _ in values],
                y=[-row + (0.16, -0.16)[side] for row in range(len(rows))],
                error_x={"array": [half for _, half in values], "color": colour, "thickness": 2},
                mode="markers",
                marker={"color": colour, "size": 12},
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                customdata=words,
                hovertemplate="%{customdata}<extra>" + f"{title}, {name}</extra>",
                row=1,
                col=column,
            )
        fig.add_vline(x=0, line={"color": INK, "width": 1}, row=1, col=column)
    ends = [end for _, rows in panels for pair in rows.values() for x, half in pair for end in (x - half, x + half)]
    fig.update_xaxes(range=[min(ends) - 0.5, max(ends) + 0.5], title_text="points above CoOp", zeroline=False)
    fig.update_yaxes(range=[0.6 - len(ours), 0.6], showgrid=False, zeroline=False)
    fig.update_yaxes(tickvals=[-row for row in range(len(ours))], ticktext=[_PARTS[p] for p in ours], row=1, col=1)
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=150 + 60 * len(ours), margin={"t": 80, "b": 60}, legend=TOP_LEGEND)


def factor_rows(effects: Sequence[Effect], upgrades: Sequence[Effect] = ()) -> go.Figure:
    """One row per factor: what it changes on old, what on new, and the lead over CoOp that results, with intervals.

    A full dot: the change leaves 0 out (in the last panel: the change of the lead, from the dotted line).
    upgrades: rows below, with a lead only, on more datasets; so their dotted line is another.
    """
    rows = [(effect, _label(effect)) for effect in (*effects, *upgrades)]
    fig = make_subplots(
        cols=3, shared_yaxes=True, subplot_titles=[title for title, *_ in _PANELS], horizontal_spacing=0.03
    )
    for column, (title, field, colour) in enumerate(_PANELS, 1):
        shown = [(-y, e, label) for y, (e, label) in enumerate(rows) if getattr(e, field) is not None]
        fig.add_scatter(
            x=[getattr(e, field).mean for _, e, _ in shown],
            y=[y for y, *_ in shown],
            mode="markers",
            marker={
                "color": [colour if _apart(e, field) else _CLEAR for _, e, _ in shown],
                "size": 10,
                "line": {"width": 2, "color": colour},
            },
            error_x={"array": [getattr(e, field).interval or 0 for _, e, _ in shown], "color": colour, "thickness": 2},
            customdata=[f"{label}: {with_interval(getattr(e, field), '+')}" for _, e, label in shown],
            hovertemplate="%{customdata}<extra>" + title + "</extra>",
            showlegend=False,
            row=1,
            col=column,
        )
        fig.add_vline(x=0, line={"color": INK, "width": 1}, row=1, col=column)
    dotted = {"mode": "lines", "line": {"color": INK, "width": 1, "dash": "dot"}, "hoverinfo": "skip"}
    for group, first in ((effects, 0), (upgrades, len(effects))):
        for plain in (e.lead.mean for e in group if e.is_plain):
            ends = [0.5 - first, 0.5 - first - len(group)]
            fig.add_scatter(x=[plain] * 2, y=ends, showlegend=False, row=1, col=3, **dotted)
    for y in _borders(rows):
        fig.add_hline(y=-y + 0.5, line={"color": PALE, "width": 1})
    ticks = {"tickvals": [-y for y in range(len(rows))], "ticktext": [indexed(label) for _, label in rows]}
    fig.update_yaxes(range=[0.6 - len(rows), 0.6], showgrid=False, zeroline=False)
    fig.update_yaxes(**ticks, row=1, col=1)
    fig.update_xaxes(title_text="points", zeroline=False)
    fig.update_xaxes(matches="x", row=1, col=2)
    fig.update_annotations(font_size=14)
    return fig.update_layout(height=120 + 27 * len(rows), margin={"t": 40, "b": 55})


_CLEAR = "rgba(0, 0, 0, 0)"


def _label(effect: Effect) -> str:
    other = effect.factor.kind == "upgrade" and not effect.is_plain
    return f"upgrade: {effect.factor.label}" if other else effect.factor.label


def _apart(effect: Effect, field: str) -> bool:
    value = effect.shift if field == "lead" else getattr(effect, field)
    return value.direction != "no difference seen"


def _borders(rows: Sequence[tuple[Effect, str]]) -> list[int]:
    """The rows at which another kind of factor begins."""
    kinds = [effect.factor.kind for effect, _ in rows]
    return [y for y in range(1, len(kinds)) if kinds[y] != kinds[y - 1]]
