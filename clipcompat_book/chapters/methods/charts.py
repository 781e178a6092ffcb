"""All methods in one figure, one row each, from shallow to deep; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.methods.axis import AXIS
from clipcompat_book.means import Average, averages
from clipcompat_book.show import INK, NEW, OLD, TOP_LEGEND
from clipcompat_book.words import name_title

_ROW = 34
_UP, _DOWN = 0.17, -0.17  # of a row's middle: the halves for old and for new
_FAINT = {OLD: "rgba(0, 114, 178, 0.35)", NEW: "rgba(213, 94, 0, 0.35)"}


def method_rows(groups: Mapping[str, Sequence[Compatibility]]) -> go.Figure:
    """Old, new and retrained accuracy of every method, averaged over datasets; one panel per group, below each other.

    The upper half of a row is what was measured on old, the lower half on new. A tick is zero-shot, a dot the plug-in,
    and the bar between them what the plug-in adds; the open diamond is retraining on new. Methods stand under the place
    where they act, from the shallowest to the deepest; what has no place on the axis, such as zero-shot, has no row.
    """
    rows = [([(title, None)] if title else []) + _rows(reports) for title, reports in groups.items()]
    heights = [max(1, len(panel)) for panel in rows]
    fig = make_subplots(rows=max(1, len(rows)), shared_xaxes=True, vertical_spacing=0.04, row_heights=heights or None)
    for number, panel in enumerate(rows, 1):
        _panel(fig, panel, number)
    tick = {"symbol": "line-ns", "size": 12, "line": {"color": INK, "width": 2}}  # one entry for ticks of both colours
    fig.add_scatter(x=[None], y=[None], mode="markers", name="zero-shot", marker=tick)
    values = [x for trace in fig.data for x in trace.x if x is not None]
    if values:
        fig.update_xaxes(range=[max(0, min(values) - 4), min(101, max(values) + 4)])
    fig.update_xaxes(title_text="test accuracy, percent", row=max(1, len(rows)))
    legend = TOP_LEGEND | {"font_size": 12, "entrywidth": 60}
    height = 130 + 20 * len(rows) + _ROW * sum(heights)
    return fig.update_layout(height=height, margin={"t": 70, "b": 60, "l": 10, "r": 10}, legend=legend)


def _rows(reports: Sequence[Compatibility]) -> list[tuple[str, Average | None]]:
    """(what the axis says, the average), or (heading, None), from top to bottom."""
    found = averages(reports)
    most = max((len(average.datasets) for average in found.values()), default=0)
    rows: list[tuple[str, Average | None]] = []
    for place, names in AXIS.items():
        mine = {name: found[name] for name in names if name in found}
        if mine:
            rows.append((place, None))
        for name, average in mine.items():
            n = len(average.datasets)
            rows.append((name_title(name) + (f" ({n} of {most} sets)" if n < most else ""), average))
    return rows


def _panel(fig: go.Figure, rows: Sequence[tuple[str, Average | None]], number: int) -> None:
    place = {"row": number, "col": 1}
    at = [(-y, title, average) for y, (title, average) in enumerate(rows) if average]
    sides = (
        ("old", OLD, [(y + _UP, t, a.zs_old, a.old) for y, t, a in at]),
        ("new", NEW, [(y + _DOWN, t, a.zs_new, a.new) for y, t, a in at]),
    )
    for name, colour, points in sides:
        bar = {"color": _FAINT[colour], "width": 6}
        for y, _, *ends in points:
            fig.add_scatter(x=ends, y=[y, y], mode="lines", line=bar, hoverinfo="skip", showlegend=False, **place)
        ticks = [(zero_shot, y, title) for y, title, zero_shot, _ in points]
        dots = [(value, y, title) for y, title, _, value in points]
        _marks(fig, f"zero-shot on {name}", colour, "line-ns", ticks, place)
        _marks(fig, name, colour, "circle", dots, place)
    retrained = [(a.retrained, y + _DOWN, title) for y, title, a in at if a.retrained is not None]
    _marks(fig, "retrained", NEW, "diamond-open", retrained, place)
    for y, (title, average) in enumerate(rows):
        if average is None:
            words = {"text": f"<b>{title}</b>", "font_size": 13, "showarrow": False}
            fig.add_annotation(x=0, xref="x domain", xanchor="left", y=-y - 0.1, **words, **place)
    fig.update_yaxes(tickvals=[y for y, *_ in at], ticktext=[title for _, title, _ in at], **place)
    fig.update_yaxes(range=[0.6 - len(rows), 0.6], zeroline=False, showgrid=False, **place)


def _marks(fig: go.Figure, name: str, colour: str, symbol: str, points: Sequence[tuple], place: dict) -> None:
    """Points (accuracy, height, title) as marks of one kind."""
    if not points:
        return
    x, y, titles = zip(*points, strict=True)
    size = 10 if symbol == "circle" else 12
    fig.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=place["row"] == 1 and not name.startswith("zero-shot"),
        marker={"symbol": symbol, "color": colour, "size": size, "line": {"color": colour, "width": 2}},
        cliponaxis=False,
        customdata=titles,
        hovertemplate=f"{name}: %{{x:.1f}} %<extra>%{{customdata}}</extra>",
        **place,
    )
