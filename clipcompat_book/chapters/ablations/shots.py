"""CoOp and ContCoOp by the number of training pictures per class: points above zero-shot, on old and carried to new.

gains = shot_gains(records)           # {("ContCoOp", "new"): {1: Statistic, …, 16: Statistic}, …}
lines(gains)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.ablations.readings import SETS, Reading
from clipcompat_book.chapters.compatibility.controls import shipped_pair
from clipcompat_book.means import compared, over_seeds, reports_of
from clipcompat_book.show import INK, NEW, OLD, TOP_LEGEND
from clipcompat_book.words import STARS, by_direction, starred, with_interval

SHOTS = (1, 2, 4, 8, 16)
METHODS = ("CoOp", "ContCoOp")
SEEDS = (1, 2, 3)
"""All numbers of shots have these."""

Gains = Mapping[tuple[str, str], Mapping[int, Statistic]]
"""(method, "old" or "new") -> shots -> points above zero-shot."""


def _reports(records: Sequence[Record], method: str, shots: int):
    own = Reading("", "", "", "", method, shots=shots).of(records)
    complete = {r.dataset for r in own} == set(SETS)
    return [report for report in reports_of(own) if report.seed in SEEDS] if complete else []


def shot_gains(records: Sequence[Record]) -> Gains:
    """Means over the sets, with intervals over seeds; what was not made is left out.

    Sets differ far more in what tuning gains than seeds do, so that intervals over sets would hide how gains grow.
    """
    shipped = shipped_pair(records)
    gains: dict[tuple[str, str], dict[int, Statistic]] = {}
    for method in METHODS:
        for k in SHOTS:
            if reports := _reports(shipped, method, k):
                gains.setdefault((method, "old"), {})[k] = over_seeds(reports, lambda r: r.old - r.zs_old)
                gains.setdefault((method, "new"), {})[k] = over_seeds(reports, lambda r: r.new - r.zs_new)
    return gains


def numbers(gains: Gains) -> list[int]:
    """The numbers of shots that were made."""
    return sorted({k for own in gains.values() for k in own})


def leads(records: Sequence[Record]) -> dict[int, Comparison]:
    """Shots -> ContCoOp minus CoOp on new, over sets and seeds; what was not made is left out."""
    shipped = shipped_pair(records)
    pairs = {k: [_reports(shipped, method, k) for method in ("ContCoOp", "CoOp")] for k in SHOTS}
    return {k: compared(one, two, lambda r: r.new) for k, (one, two) in pairs.items() if one and two}


def shots_table(gains: Gains, lead: Mapping[int, Comparison]) -> Table:
    """One row per method and side, and the lead; one column per number of shots."""
    shots = numbers(gains)
    rows = [
        (method, f"on {side}", *(with_interval(own.get(k), "+") for k in shots))
        for (method, side), own in gains.items()
    ]
    rows.append(("ContCoOp − CoOp", "on new", *(starred(lead.get(k)) for k in shots)))
    columns = ("method", "", *(f"{k} shot{'s' * (k > 1)}" for k in shots))
    caption = (
        "Points above zero-shot, mean of the sets ± half of the 95 % interval over seeds. Last row: the difference, "
        f"with the interval over sets and seeds; {STARS}."
    )
    return Table(columns, tuple(rows), caption)


def lead_sentence(lead: Mapping[int, Comparison]) -> str:
    """At which numbers of shots ContCoOp is seen to be ahead of CoOp on new: Markdown."""
    words = by_direction({str(k): gap for k, gap in lead.items()}, "ahead", "behind")
    missing = [str(k) for k in SHOTS if k not in lead]
    rest = f" Not made yet: {', '.join(missing)} shots." if missing else ""
    return f"**ContCoOp against CoOp on new, by shots:** {words}.{rest}"


def lines(gains: Gains) -> go.Figure:
    """Points above zero-shot by shots: blue on old, orange carried to new; CoOp dashed, ContCoOp solid."""
    fig = go.Figure()
    shots = numbers(gains)
    for (method, side), own in gains.items():
        colour, dash = (OLD if side == "old" else NEW), ("dash" if method == "CoOp" else "solid")
        nudge = 0.04 * (1 if method == "CoOp" else -1) + 0.015 * (1 if side == "old" else -1)
        fig.add_scatter(
            x=[shots.index(k) + nudge for k in own],
            y=[gap.mean for gap in own.values()],
            error_y={"array": [gap.interval or 0 for gap in own.values()], "color": colour, "thickness": 1, "width": 3},
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"color": colour, "size": 9, "symbol": "square" if method == "CoOp" else "circle"},
            name=f"{method}, on {side}",
            customdata=[f"{method}, {k} shots, {side}: {with_interval(gap, '+')}" for k, gap in own.items()],
            hovertemplate="%{customdata}<extra></extra>",
        )
    fig.add_hline(y=0, line={"color": INK, "width": 1})
    fig.update_xaxes(tickvals=list(range(len(shots))), ticktext=list(map(str, shots)), title_text="shots per class")
    fig.update_yaxes(title_text="points above zero-shot", zeroline=False)
    return fig.update_layout(height=430, margin={"t": 60, "b": 60, "r": 10}, legend=TOP_LEGEND)
