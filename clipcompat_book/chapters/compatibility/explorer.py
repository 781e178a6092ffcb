"""The upgrade explorer: a method, a dataset and a number of shots, and what the upgrade did there.

Every cell has its own place in one plane: datasets below each other, numbers of shots side by side. The menu of
datasets moves the y axis, the slider moves the x axis, and the menu of methods hides traces. So three choices are free
of each other, in plotly alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from statistics import fmean

import plotly.graph_objects as go

from clipcompat.runs.records import Record
from clipcompat.studies.report import Compatibility
from clipcompat.studies.statistic import Statistic
from clipcompat.studies.summary import summary
from clipcompat_book.chapters.compatibility.controls import shipped_pair
from clipcompat_book.explore import Effect, menu, slider, visible
from clipcompat_book.means import groups
from clipcompat_book.show import NEW, OLD, TOP_LEGEND
from clipcompat_book.words import apart, method_titles, short_name, with_interval

_DOWN, _RIGHT = 4, 200  # from one dataset's place to the next, and from one number of shots to the next
_WEIGHT = re.compile(r"ContCoOp \(λ = [\d.]+\)")
_MARKS = {  # name: field of a report, colour, symbol, height in its place
    "zero-shot old": ("zs_old", OLD, "line-ns", 1),
    "zero-shot new": ("zs_new", NEW, "line-ns", 0),
    "old": ("old", OLD, "circle", 1),
    "new": ("new", NEW, "circle", 0),
    "retrained on new": ("retrained", NEW, "diamond-open", 0),
}
Cell = tuple[str, str, int]
"""Title of a method, dataset, shots."""


def cells(lists: Sequence[Sequence[Record]]) -> dict[Cell, list[Compatibility]]:
    """The reports of each cell, on the mini upgrade: default settings, and ContCoOp with any λ.

    lists: of records. A cell is taken whole from the first list that has it.
    """
    found: dict[Cell, list[Compatibility]] = {}
    for records in lists:
        kept = [r for r in shipped_pair(records) if r.is_plain or _WEIGHT.fullmatch(r.titles.method)]
        kept = [r for r in kept if r.method != "zero_shot" and r.dataset.startswith("mini/")]
        for cell, own in groups(kept, lambda r: (r.titles.method, r.dataset, r.inputs["shots"])).items():
            found.setdefault(cell, [report for record in own for report in record.reports])
    return found


def upgrade_explorer(lists: Sequence[Sequence[Record]], title: str, dataset: str) -> go.Figure:
    """Accuracies on old, carried to new and retrained, of one cell at a time, and below them what changed in words.

    lists: of records, see `cells`. title, dataset: of the cell that is shown first, with the most shots.
    """
    found = cells(lists)
    known = {title for title, *_ in found}
    titles = sorted(known, key=[*method_titles(record for records in lists for record in records)].index)
    datasets = {name: -_DOWN * row for row, name in enumerate(sorted({name for _, name, _ in found}))}
    shots = {count: _RIGHT * column for column, count in enumerate(sorted({count for *_, count in found}))}
    fig, owners = go.Figure(), []
    for name in titles:
        own = {cell: reports for cell, reports in found.items() if cell[0] == name}
        traces = [_mark(own, mark, datasets, shots) for mark in _MARKS]
        traces.append(_words(own, datasets, shots))
        fig.add_traces(traces)
        owners += [name] * len(traces)
    for trace, owner in zip(fig.data, owners, strict=True):
        trace.visible = owner == title
    rows = {y + height: side for y in datasets.values() for height, side in ((1, "on old"), (0, "on new"))}
    ticks = {x + percent: percent for x in shots.values() for percent in range(0, 101, 20)}
    fig.update_yaxes(tickvals=list(rows), ticktext=list(rows.values()), showgrid=False, zeroline=False)
    fig.update_xaxes(tickvals=list(ticks), ticktext=list(ticks.values()), zeroline=False)
    bands = {short_name(name): _window("y", y - 2.2, y + 1.6) for name, y in datasets.items()}
    fields = {str(count): _window("x", x, x + 100) for count, x in shots.items()}
    methods = {name: visible(owners, name) for name in titles}
    place = list(datasets).index(dataset)
    menus = [menu("Method", methods, 0, titles.index(title)), menu("Dataset", bands, 0.55, place)]
    fig.update_layout(updatemenus=menus, sliders=[slider("Shots", fields, len(fields) - 1)])
    fig.plotly_relayout(bands[short_name(dataset)][1] | list(fields.values())[-1][1])
    fig.update_layout(xaxis_title="test accuracy, percent", dragmode=False, legend=TOP_LEGEND)
    return fig.update_layout(height=480, margin={"t": 120, "b": 60})


def what_changed(reports: Sequence[Compatibility]) -> list[str]:
    """One cell in short lines."""
    numbers = summary(reports)
    old, new, again = (numbers[side] for side in ("old", "new", "retrained"))
    share = numbers["kept_gain"]
    kept = "kept gain undefined" if share is None else f"kept gain {100 * share:.0f} %"
    retrained = "not retrained" if again is None else f"retrained {with_interval(again)}, {kept}"
    zero_shot = fmean(r.zs_new - r.zs_old for r in reports)
    return [
        f"old {with_interval(old)}, new {with_interval(new)}, H {numbers['h_upgrade']:.1f}",
        retrained,
        f"new against old: {apart(Statistic.of([r.new - r.old for r in reports]))}",
        f"zero-shot {zero_shot:+.1f}; {numbers['negative_flips'].mean:.1f} % flip to wrong; {len(reports)} seeds",
    ]


def _mark(
    own: Mapping[Cell, list[Compatibility]], name: str, datasets: Mapping[str, int], shots: Mapping[int, int]
) -> go.Scatter:
    """One kind of mark of one method, everywhere: a dot is a seed, everything else a mean over seeds."""
    field, colour, symbol, height = _MARKS[name]
    read, dots = attrgetter(field), symbol == "circle"
    x, y = [], []
    for (_, dataset, count), reports in own.items():
        values = [value for report in reports if (value := read(report)) is not None]
        values = values if dots or not values else [fmean(values)]
        x += [round(shots[count] + value, 2) for value in values]
        y += [datasets[dataset] + height] * len(values)
    line = {"color": colour, "width": 0 if dots else 3}
    marker = {"symbol": symbol, "color": colour, "size": 8 if dots else 15, "line": line}
    return go.Scatter(x=x, y=y, name=name, mode="markers", marker=marker, hoverinfo="skip")


def _words(
    own: Mapping[Cell, list[Compatibility]], datasets: Mapping[str, int], shots: Mapping[int, int]
) -> go.Scatter:
    """One method's words in every place, also where there is no record."""
    by_place = {(dataset, count): reports for (_, dataset, count), reports in own.items()}
    places = [(dataset, count) for dataset in datasets for count in shots]
    return go.Scatter(
        x=[shots[count] + 50 for _, count in places],
        y=[datasets[dataset] - 1.2 for dataset, _ in places],
        text=["<br>".join(what_changed(by_place[p])) if p in by_place else "not run" for p in places],
        mode="text",
        textposition="middle center",
        textfont_size=12,
        cliponaxis=False,  # on a phone they are wider than the axis
        hoverinfo="skip",
        showlegend=False,
    )


def _window(axis: str, low: float, high: float) -> Effect:
    """The effect that shows this part of an axis."""
    return {}, {f"{axis}axis.range": [low, high]}
