"""All methods in one figure, a row a method, deep ones above shallow ones; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.averages import Average, averages
from clipcompat_book.chapters.compatibility.places import DEPTHS, depth
from clipcompat_book.chapters.compatibility.sentences import name_title
from clipcompat_book.show import INK, NEW, OLD

if TYPE_CHECKING:
    import plotly.graph_objects as go

_ROW = 34
_PALE = {OLD: "rgba(0, 114, 178, 0.35)", NEW: "rgba(213, 94, 0, 0.35)"}


def method_rows(groups: Mapping[str, Sequence[Compatibility]]) -> go.Figure:
    """Old, new and retrained accuracy of every method, as averages over datasets: one panel a group, below each other.

    In the upper half of a row what was measured on old, in the lower half on new. A tick is zero-shot, a dot the
    plug-in, and the bar between them what the plug-in adds; the open diamond is retraining on new. Zero-shot is no row.
    """
    from plotly.subplots import make_subplots

    rows = [([(title, None)] if title else []) + _rows(found) for title, found in groups.items()]
    heights = [max(1, len(found)) for found in rows]
    fig = make_subplots(rows=max(1, len(rows)), shared_xaxes=True, vertical_spacing=0.04, row_heights=heights or None)
    for number, found in enumerate(rows, 1):
        _panel(fig, found, number)
    # one entry for the ticks of both colours
    fig.add_scatter(
        x=[None], y=[None], mode="markers", name="zero-shot",
        marker={"symbol": "line-ns", "size": 12, "line": {"color": INK, "width": 2}},
    )  # fmt: skip
    values = [x for trace in fig.data for x in trace.x if x is not None]
    if values:
        fig.update_xaxes(range=[max(0, min(values) - 4), min(101, max(values) + 4)])
    fig.update_xaxes(title_text="test accuracy, percent", row=max(1, len(rows)))
    return fig.update_layout(
        height=130 + 20 * len(rows) + _ROW * sum(heights), margin={"t": 70, "b": 60, "l": 10, "r": 10},
        legend={
            "orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0, "xref": "container",
            "font_size": 12, "entrywidth": 60,
        },
    )  # fmt: skip


def _rows(found: Sequence[Compatibility]) -> list[tuple[str, Average | None]]:
    """(what the axis says, the average), or (heading, None), from top to bottom."""
    tuned = {name: average for name, average in averages(found).items() if name != "zero_shot"}
    most = max((len(average.datasets) for average in tuned.values()), default=0)
    rows: list[tuple[str, Average | None]] = []
    for side, words in {**DEPTHS, "": "others"}.items():
        mine = {name: average for name, average in tuned.items() if depth(name) == side}
        if mine:
            rows.append((f"{side}: {words}" if side else words, None))
        for name, average in mine.items():
            n = len(average.datasets)
            rows.append((name_title(name) + (f" ({n} of {most} sets)" if n < most else ""), average))
    return rows


def _panel(fig: Any, rows: Sequence[tuple[str, Average | None]], number: int) -> None:
    place = {"row": number, "col": 1}
    at = [(-y, title, average) for y, (title, average) in enumerate(rows) if average]
    up, down = 0.17, -0.17
    sides = (
        (OLD, up, [(y, t, a.zs_old, a.old) for y, t, a in at], "old"),
        (NEW, down, [(y, t, a.zs_new, a.new) for y, t, a in at], "new"),
    )
    for colour, shift, points, name in sides:
        for y, _, zero_shot, value in points:
            fig.add_scatter(
                x=[zero_shot, value], y=[y + shift] * 2, mode="lines", line={"color": _PALE[colour], "width": 6},
                hoverinfo="skip", showlegend=False, **place,
            )  # fmt: skip
        ticks = [(zero_shot, y + shift, title) for y, title, zero_shot, _ in points]
        dots = [(value, y + shift, title) for y, title, _, value in points]
        _marks(fig, f"zero-shot on {name}", colour, "line-ns", 12, ticks, place)
        _marks(fig, name, colour, "circle", 10, dots, place)
    retrained = [(a.retrained, y + down, title) for y, title, a in at if a.retrained is not None]
    _marks(fig, "retrained", NEW, "diamond-open", 12, retrained, place)
    for y, (title, average) in enumerate(rows):
        if average is None:
            fig.add_annotation(
                text=f"<b>{title}</b>", x=0, xref="x domain", xanchor="left", y=-y - 0.1, showarrow=False, font_size=13,
                **place,
            )  # fmt: skip
    fig.update_yaxes(
        tickvals=[y for y, *_ in at], ticktext=[title for _, title, _ in at], range=[0.6 - len(rows), 0.6],
        zeroline=False, showgrid=False, **place,
    )  # fmt: skip


def _marks(fig: Any, name: str, colour: str, symbol: str, size: int, points: Sequence[tuple], place: dict) -> None:
    if not points:
        return
    x, y, titles = zip(*points, strict=True)
    fig.add_scatter(
        x=x, y=y, mode="markers", name=name, legendgroup=name, customdata=titles,
        showlegend=place["row"] == 1 and not name.startswith("zero-shot"),
        marker={"symbol": symbol, "color": colour, "size": size, "line": {"color": colour, "width": 2}},
        cliponaxis=False, hovertemplate=f"{name}: %{{x:.1f}} %<extra>%{{customdata}}</extra>", **place,
    )  # fmt: skip
