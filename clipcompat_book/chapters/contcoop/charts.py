"""The chapter's figure of factors; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat_book.chapters.contcoop.factors import Effect
from clipcompat_book.show import INK, NEW, OLD, PALE
from clipcompat_book.words import with_interval

_PANELS = (("on old", "old", OLD), ("on new", "new", NEW), ("lead over CoOp on new", "lead", NEW))


def factor_rows(effects: Sequence[Effect], upgrades: Sequence[Effect] = ()) -> go.Figure:
    """One row per factor: what it changes on old, what on new, and the lead over CoOp that results, with intervals.

    A full dot: the interval leaves 0 out (in the last panel: it leaves out the lead as published, the dotted line).
    upgrades: rows below, with a lead only.
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
    plain = next((e.lead.mean for e in effects if e.is_plain), None)
    if plain is not None:
        fig.add_vline(x=plain, line={"color": INK, "width": 1, "dash": "dot"}, row=1, col=3)
    for y in _borders(rows):
        fig.add_hline(y=-y + 0.5, line={"color": PALE, "width": 1})
    ticks = {"tickvals": [-y for y in range(len(rows))], "ticktext": [label for _, label in rows]}
    fig.update_yaxes(range=[0.6 - len(rows), 0.6], showgrid=False, zeroline=False)
    fig.update_yaxes(**ticks, row=1, col=1)
    fig.update_xaxes(title_text="points", zeroline=False)
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
