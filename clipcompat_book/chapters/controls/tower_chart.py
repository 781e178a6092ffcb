"""The cross-tower table as a figure; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.runs.records import Record
from clipcompat.studies.carried.cross_tower import CELLS
from clipcompat_book.chapters.controls.towers import Numbers, tower_numbers
from clipcompat_book.show import INK, METHOD_COLOURS, TOP_LEGEND

ROWS = {
    "old_old": "old images, old text<br>(before the upgrade)",
    "old_new": "old images, new text<br>(stored vectors stay)",
    "new_old": "new images, old text<br>(vectors computed again)",
    "new_new": "new images, new text<br>(the whole upgrade)",
}


def tower_dots(records: Sequence[Record]) -> go.Figure:
    """One row per pair of towers, one colour per method. Left: accuracy, mean over datasets. Right: minus old with old.

    Dot: a plug-in that was tuned on old and carried. Open diamond: the same method tuned on that pair, where it was.
    Zero-shot is a method of its own. Bars are 95 % intervals over datasets and seeds, paired by seed; accuracies have
    none, because how much datasets differ among each other is not the question.

    Alt text: which pair is the lowest, and whether any method on stored vectors is close to the whole upgrade.
    """
    methods = tower_numbers(records)
    titles = ("test accuracy, percent", "points above old with old")
    fig = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    for number, (title, of) in enumerate(methods.items()):
        shift = 0.62 * ((len(methods) - 1) / 2 - number) / len(methods)  # the first method on top
        heights = {cell: -row + shift for row, cell in enumerate(CELLS)}
        for kind, symbol in (("carried", "circle"), ("retrained", "diamond-open")):
            for column, trace in enumerate(_traces(of, kind, heights), 1):
                first = kind == "carried" and column == 1
                marker = {"symbol": symbol, "color": METHOD_COLOURS[of.method], "size": 11, "line_width": 2}
                if symbol == "circle":
                    marker |= {"line_width": 1, "line_color": "white"}
                names = {"name": title, "legendgroup": title, "showlegend": first}
                fig.add_scatter(**trace, **names, mode="markers", marker=marker, row=1, col=column)
    fig.add_vline(x=0, line={"color": INK, "width": 2}, row=1, col=2)
    ticks = {"tickvals": [-row for row in range(len(CELLS))], "ticktext": [ROWS[cell] for cell in CELLS]}
    fig.update_yaxes(**ticks, range=[0.5 - len(CELLS), 0.5], zeroline=False)
    for column, words in enumerate(titles, 1):
        fig.update_xaxes(title_text=words, zeroline=False, row=1, col=column)
    return fig.update_layout(height=150 + 22 * len(methods) * len(CELLS), margin={"t": 60, "b": 60}, legend=TOP_LEGEND)


def _traces(of: Numbers, kind: str, heights: dict[str, float]) -> list[dict[str, Any]]:
    """The marks of one method in both panels; none where no record has them. Old with old is the plug-in itself."""
    cells = [cell for cell in CELLS if of.mean(cell, kind) and (kind, cell) != ("retrained", "old_old")]
    if not cells:
        return []
    means = [of.mean(cell, kind).mean for cell in cells]
    gaps = [of.gap(cell, "old_old", (kind, "carried")) for cell in cells]
    words = of.title + (", tuned on this pair" if kind == "retrained" else "")
    same = {"y": [heights[cell] for cell in cells]}
    bars = {"array": [gap.interval or 0 for gap in gaps], "thickness": 1.5, "width": 4}
    hover = "%{x:+.1f} ± %{error_x.array:.1f} points<extra>" + words + "</extra>"
    return [
        {**same, "x": means, "hovertemplate": "%{x:.1f} %<extra>" + words + "</extra>"},
        {**same, "x": [gap.mean for gap in gaps], "error_x": bars, "hovertemplate": hover},
    ]
