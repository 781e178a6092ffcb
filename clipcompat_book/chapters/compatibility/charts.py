"""Figures of one report, of records by dataset, and of the controls; shown by clipcompat_book.show.show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.runs.records import Record
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.controls import gains
from clipcompat_book.explore import menu, visible
from clipcompat_book.means import of_method
from clipcompat_book.show import INK, METHOD_COLOURS, NEW, OLD, PALE, TOP_LEGEND
from clipcompat_book.words import method_titles, short_name


def report_lines(report: Compatibility) -> go.Figure:
    """One report as two number lines, old above new: how far from zero-shot, how far from retrained."""
    fig = go.Figure()
    rows = [(1, OLD, report.zs_old, report.old, None), (0, NEW, report.zs_new, report.new, report.retrained)]
    for y, colour, zero_shot, plugin, retrained in rows:
        ways = [(plugin, colour, 4)]
        marks = [("zero-shot", zero_shot, "line-ns", "bottom center"), ("plug-in", plugin, "circle", "top center")]
        if retrained is not None:
            ways.insert(0, (retrained, PALE, 8))
            away = "left" if zero_shot < retrained else "right"  # two names below one line
            marks[0] = (*marks[0][:3], f"bottom {away}")
            marks.append(("retrained", retrained, "diamond-open", "bottom center"))
        for end, ink, width in ways:
            line = {"color": ink, "width": width}
            fig.add_scatter(x=[zero_shot, end], y=[y, y], mode="lines", line=line, hoverinfo="skip")
        for name, x, symbol, side in marks:
            fig.add_scatter(
                x=[x],
                y=[y],
                mode="markers+text",
                text=[f"{name} {x:.1f}"],
                textposition=side,
                marker={"symbol": symbol, "color": colour, "size": 15, "line": {"width": 3, "color": colour}},
                hovertemplate=f"{name}: {x:.1f} %<extra></extra>",
                cliponaxis=False,
            )
    fig.update_yaxes(tickvals=[1, 0], ticktext=["on old", "on new"], range=[-0.6, 1.6], showgrid=False, zeroline=False)
    values = [x for row in rows for x in row[2:] if x is not None]
    margin = 0.12 * (max(values) - min(values)) + 1
    fig.update_xaxes(title_text="test accuracy, percent", range=[min(values) - margin, max(values) + margin])
    return fig.update_layout(height=300, showlegend=False, margin_t=20)


def strips(groups: Mapping[str, Sequence[float]], title: str, log: bool = False) -> go.Figure:
    """One strip of dots per group, the first on top, and a bar at its median.

    title: of the x axis. log: logarithmic; values must then be positive.
    """
    fig = go.Figure()
    for row, (name, values) in enumerate(groups.items()):
        y = [-row + 0.22 * math.sin(2.4 * i) for i in range(len(values))]  # spread, and the same every time
        dots = {"color": INK, "size": 6, "opacity": 0.55}
        words = f"{name}: %{{x:.3g}}<extra></extra>"
        fig.add_scatter(x=values, y=y, mode="markers", marker=dots, hovertemplate=words)
        middle = median(values)
        bar = {"color": NEW, "width": 4}
        words = f"{name}, median: {middle:.3g}<extra></extra>"
        fig.add_scatter(x=[middle] * 2, y=[-row - 0.33, -row + 0.33], mode="lines", line=bar, hovertemplate=words)
    ticks = {"tickvals": [-row for row in range(len(groups))], "ticktext": list(groups)}
    fig.update_yaxes(**ticks, showgrid=False, zeroline=False)
    scale = {"type": "log", "dtick": 1} if log else {"type": "linear"}
    fig.update_xaxes(title_text=title, exponentformat="power", **scale)
    return fig.update_layout(height=110 + 62 * len(groups), showlegend=False, margin_t=15)


def upgrade_dots(records: Sequence[Record]) -> go.Figure:
    """Old and new accuracy of every seed: one facet per method, side by side; one row per dataset, in records' order.

    The upper half of a row is what was measured on old, the lower half on new: zero-shot as a tick, seeds as dots. The
    open diamond is the mean of the same method trained on new. Zero-shot records have no facet.
    """
    kept = [r for r in records if r.method != "zero_shot"]
    titles = list(method_titles(kept))
    datasets = list(dict.fromkeys(r.dataset for r in kept))
    fig = make_subplots(cols=max(1, len(titles)), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03)
    for number, title in enumerate(titles, 1):
        for trace in _marks(of_method(kept, title), datasets, number == 1):
            fig.add_trace(trace, row=1, col=number)
    fig.update_annotations(font_size=14)
    return _by_dataset(fig, datasets).update_layout(margin={"t": 80, "b": 60})


def method_menu(records: Sequence[Record]) -> go.Figure:
    """`upgrade_dots` of one method at a time, with a menu of all methods; the first one is shown."""
    kept = [r for r in records if r.method != "zero_shot"]
    titles = list(method_titles(kept))
    datasets = list(dict.fromkeys(r.dataset for r in kept))
    fig, owners = go.Figure(), []
    for title in titles:
        marks = _marks(of_method(kept, title), datasets, True)
        fig.add_traces(marks)
        owners += [title] * len(marks)
    for trace, owner in zip(fig.data, owners, strict=True):
        trace.visible = owner == titles[0]
    fig.update_layout(updatemenus=[menu("Method", {title: visible(owners, title) for title in titles})])
    return _by_dataset(fig, datasets).update_layout(margin={"t": 110, "b": 60})


def _by_dataset(fig: go.Figure, datasets: Sequence[str]) -> go.Figure:
    """Axes of a figure whose rows are datasets and whose x is an accuracy."""
    values = [x for trace in fig.data for x in trace.x]
    if values:
        fig.update_xaxes(range=[min(values) - 4, max(values) + 4], title_text="test accuracy, percent")
    fig.update_yaxes(tickvals=[-row for row in range(len(datasets))], ticktext=list(map(short_name, datasets)))
    fig.update_yaxes(range=[0.6 - len(datasets), 0.6], zeroline=False)
    return fig.update_layout(height=150 + 40 * len(datasets), legend=TOP_LEGEND)


def _marks(records: Sequence[Record], datasets: Sequence[str], in_legend: bool) -> list[go.Scatter]:
    """The marks of one method, a trace of each kind."""
    traces = []
    for name, colour, symbol, points in _dots(records, datasets):
        line = {"color": colour, "width": 0 if symbol == "circle" else 2}
        size = 7 if symbol == "circle" else 12
        traces.append(
            go.Scatter(
                x=[x for x, _ in points],
                y=[y for _, y in points],
                name=name,
                legendgroup=name,
                showlegend=in_legend,
                mode="markers",
                marker={"symbol": symbol, "color": colour, "size": size, "line": line},
                customdata=[datasets[round(-y)] for _, y in points],
                hovertemplate=f"{name}: %{{x:.1f}} %<extra>%{{customdata}}</extra>",
            )
        )
    return traces


def _dots(records: Sequence[Record], datasets: Sequence[str]) -> list[tuple[str, str, str, list[tuple[float, float]]]]:
    """Of one method: (name, colour, symbol, points) of every kind of mark; points are (accuracy, height)."""
    rows = [(-datasets.index(record.dataset), record.reports) for record in records]
    retrained = [(y, [r.retrained for r in reports if r.retrained is not None]) for y, reports in rows]
    up, down = 0.17, -0.17
    return [
        ("zero-shot old", OLD, "line-ns", [(fmean(r.zs_old for r in reports), y + up) for y, reports in rows]),
        ("zero-shot new", NEW, "line-ns", [(fmean(r.zs_new for r in reports), y + down) for y, reports in rows]),
        ("old", OLD, "circle", [(r.old, y + up) for y, reports in rows for r in reports]),
        ("new", NEW, "circle", [(r.new, y + down) for y, reports in rows for r in reports]),
        ("retrained on new", NEW, "diamond-open", [(fmean(v), y + down) for y, v in retrained if v]),
    ]


def control_rows(records: Sequence[Record]) -> go.Figure:
    """What carried plug-ins add to zero-shot on new: one row per upgrade, from nothing changed to nothing kept.

    Faint dots are datasets. The large dot is their mean, with its 95 % interval over seeds. One colour per method. The
    open diamond is what retraining on that new backbone adds, where it is among the records.
    """
    kept = [r for r in records if r.method != "zero_shot"]
    names = method_titles(kept)
    rows = list(gains(kept))
    fig = go.Figure()
    for number, (title, name) in enumerate(names.items()):
        places = gains(of_method(kept, title))
        shift = 0.5 * ((len(names) - 1) / 2 - number) / len(names)  # the first method on top
        colour = METHOD_COLOURS[name]
        hover = {"hovertemplate": "%{customdata}: %{x:+.1f}<extra>" + title + "</extra>", "legendgroup": title}
        y = {row: -rows.index(row) + shift for row in places}
        dots = [(x, y[row], f"{row}, {short_name(d)}") for row, gain in places.items() for d, x in gain.by_set.items()]
        fig.add_scatter(
            x=[x for x, _, _ in dots],
            y=[height for _, height, _ in dots],
            mode="markers",
            showlegend=False,
            marker={"color": colour, "size": 6, "opacity": 0.35},
            customdata=[words for *_, words in dots],
            **hover,
        )
        fig.add_scatter(
            x=[gain.mean for gain in places.values()],
            y=list(y.values()),
            mode="markers",
            name=title,
            error_x={"array": [gain.interval or 0 for gain in places.values()], "thickness": 2, "width": 5},
            marker={"color": colour, "size": 12, "line": {"width": 1, "color": "white"}},
            customdata=[f"{row}, mean" for row in places],
            **hover,
        )
        again = {row: gain.retrained for row, gain in places.items() if gain.retrained is not None}
        fig.add_scatter(
            x=list(again.values()),
            y=[y[row] for row in again],
            mode="markers",
            showlegend=False,
            marker={"symbol": "diamond-open", "color": colour, "size": 12, "line": {"width": 2, "color": colour}},
            customdata=[f"{row}, retrained" for row in again],
            **hover,
        )
    fig.add_vline(x=0, line={"color": INK, "width": 2})
    ticks = {"tickvals": [-row for row in range(len(rows))], "ticktext": rows}
    fig.update_yaxes(**ticks, range=[0.5 - len(rows), 0.5], zeroline=False)
    fig.update_xaxes(title_text="points above zero-shot on new", zeroline=False)
    return fig.update_layout(height=130 + 48 * len(rows), margin={"t": 50, "b": 60}, legend=TOP_LEGEND)
