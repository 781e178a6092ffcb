"""The ContCoOp paper's comparison of methods beside ours: a figure, and a table of which differences agree.

The miniature stands beside the paper, never in its place. What was run at the paper's own scale has a panel of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.common.errors import unknown_name
from clipcompat.methods import METHODS
from clipcompat.runs.papers import paper_average
from clipcompat.runs.papers.reproduction import provenance
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import agrees, holm
from clipcompat_book.means import change, compared, groups, over_zero_shot, over_zero_shot_on_old, reports_of
from clipcompat_book.show import INK, NEW, OLD, PALE, TOP_LEGEND
from clipcompat_book.words import apart, datasets, name_title, with_interval

_UPGRADE = "clip-to-eva-vit-b-16"
_MINI = {_UPGRADE: "mini", "clip-to-eva-vit-l-14": "mini-large"}
"""The upgrades of the paper's Tables 2 and 8, and the miniature that stands for each."""
_NARROWEST = -30.0
"""Points; what is further left, such as the linear probe on new, is told in words at the edge of its panel."""
_SIDES = (("old", OLD, 0.14, over_zero_shot_on_old), ("new", NEW, -0.14, over_zero_shot))


@dataclass(frozen=True)
class _Gain:
    """Points above zero-shot. interval: half of the 95 % interval over datasets and seeds; None: not printed."""

    mean: float
    interval: float | None
    words: str


def paper_against_ours(records: Sequence[Record], upgrade: str = _UPGRADE) -> go.Figure:
    """Points above zero-shot, tuned on old and carried to new: the paper's averages in one panel, ours in the next.

    One row per method of the paper that has records. Only default settings and the upgrades' own weights are shown.

    Args:
        records: of the miniature and, where there are any, of `upgrade` itself; others are left out.
        upgrade: the paper's, "clip-to-eva-vit-b-16" (its Table 2) or "clip-to-eva-vit-l-14" (Table 8).

    Raises:
        UnknownNameError: an upgrade that the paper has no table of.
    """
    if upgrade not in _MINI:
        raise unknown_name("upgrade of the paper's tables", upgrade, _MINI)
    panels = {"the paper (11 datasets)": _printed(upgrade)}
    own = [r for r in records if r.is_plain and not (r.inputs["old_weights"] or r.inputs["new_weights"])]
    for name in (upgrade, _MINI[upgrade]):
        if mine := [r for r in own if r.inputs["upgrade"] == name]:
            what = "the paper's scale" if name == upgrade else name
            panels[f"ours: {what} ({datasets(len({r.dataset for r in mine}))})"] = _measured(mine)
    shown = {method for gains in list(panels.values())[1:] for method, _ in gains}
    rows = [method for method in METHODS if method in shown and paper_average(upgrade, method)]
    fig = make_subplots(cols=len(panels), shared_yaxes=True, subplot_titles=list(panels), horizontal_spacing=0.04)
    for number, gains in enumerate(panels.values(), 1):
        _panel(fig, number, rows, gains)
    fig.update_yaxes(tickvals=[-y for y in range(len(rows))], ticktext=list(map(name_title, rows)))
    fig.update_yaxes(range=[0.5 - len(rows), 0.5], zeroline=False, showgrid=False)
    every = [gains[m, side] for gains in panels.values() for m in rows for side, *_ in _SIDES if (m, side) in gains]
    ends = [gain.mean + way * (gain.interval or 0) for gain in every if gain.mean > _NARROWEST for way in (-1, 1)]
    fig.update_xaxes(range=[min([*ends, 0]) - 8, max([*ends, 0]) + 3], zeroline=False)
    fig.update_xaxes(title_text="points above zero-shot")
    fig.update_annotations(font_size=13)
    return fig.update_layout(height=170 + 44 * len(rows), margin={"t": 80, "b": 60}, legend=TOP_LEGEND)


def agreement_table(records: Sequence[Record], method: str, field: str = "new", upgrade: str = _UPGRADE) -> Table:
    """`method` against every other one of the paper, as averages over datasets: ours, theirs, and whether both agree.

    "agrees" and "disagrees" need our 95 % interval to leave 0 out. p is that of Wilcoxon's signed-rank test over
    datasets, corrected by Holm's procedure for the number of rows.

    Args:
        records: of one upgrade, the miniature or the paper's; records with changed settings are left out.
        method: a name, "contcoop".
        field: "old" or "new".

    Raises:
        UnknownNameError: another field, or no records of the method.
    """
    if field not in ("old", "new"):
        raise unknown_name("field", field, ("old", "new"))
    by_method = groups([r for r in records if r.is_plain], lambda r: r.method)
    if method not in by_method:
        raise unknown_name("method among these records", method, by_method)
    others = [name for name in METHODS if name in by_method and name != method and paper_average(upgrade, name)]
    mine = reports_of(by_method[method])
    gaps = {name: compared(mine, reports_of(by_method[name]), attrgetter(field)) for name in others}
    gaps = {name: gap for name, gap in gaps.items() if gap}
    corrected = holm({name: gap.wilcoxon for name, gap in gaps.items()})
    rows, hover = [], []
    for name, gap in gaps.items():
        printed = getattr(paper_average(upgrade, method), field) - getattr(paper_average(upgrade, name), field)
        p = f"{corrected[name]:.3f}" if corrected[name] >= 0.001 else "below 0.001"
        rows.append((name_title(name), apart(gap), p, f"{printed:+.1f}", agrees(gap, printed)))
        hover.append(f"{datasets(len(gap.by_dataset))}; {provenance([*by_method[method], *by_method[name]])}")
    mini = " (mini)" if all(upgrade_kind(r.inputs["upgrade"]) == "mini" for r in records) else ""
    columns = (f"{name_title(method)} against", f"ours{mini}", "p", "paper", "verdict")
    caption = (
        f"Accuracy on {field}, in points, averages over datasets; ± half of the 95 % interval over datasets and seeds. "
        f"p: Wilcoxon over datasets, corrected for {len(rows)} comparisons (Holm)."
    )
    return Table(columns, tuple(rows), caption, tuple(hover))


def _printed(upgrade: str) -> dict[tuple[str, str], _Gain]:
    """(method, side) -> what the paper's averages say; it prints no intervals."""
    zero_shot, found = paper_average(upgrade, "zero_shot"), {}
    for method in METHODS:
        if method != "zero_shot" and (cell := paper_average(upgrade, method)):
            for side in ("old", "new"):
                found[method, side] = _Gain(getattr(cell, side) - getattr(zero_shot, side), None, "ContCoOp paper")
    return found


def _measured(records: Sequence[Record]) -> dict[tuple[str, str], _Gain]:
    found = {}
    for method, mine in groups(records, lambda r: r.method).items():
        for side, *_, measure in _SIDES if method != "zero_shot" else ():
            gap = change(reports_of(mine), measure)
            found[method, side] = _Gain(gap.mean, gap.interval, provenance(mine))
    return found


def _panel(fig: go.Figure, number: int, rows: Sequence[str], gains: Mapping[tuple[str, str], _Gain]) -> None:
    place = {"row": 1, "col": number}
    for side, colour, shift, _ in _SIDES:
        at = [(-y + shift, method, gains[method, side]) for y, method in enumerate(rows) if (method, side) in gains]
        bars = {"array": [gain.interval or 0 for *_, gain in at], "thickness": 2, "width": 4, "color": colour}
        fig.add_scatter(
            x=[gain.mean for *_, gain in at],
            y=[y for y, *_ in at],
            mode="markers",
            name={"old": "on old", "new": "carried to new"}[side],
            legendgroup=side,
            showlegend=number == 1,
            error_x=bars if any(bars["array"]) else None,
            marker={"color": colour, "size": 10},
            customdata=[f"{name_title(m)}, {side}: {with_interval(g, '+')}<br>{g.words}" for _, m, g in at],
            hovertemplate="%{customdata}<extra></extra>",
            **place,
        )
        for y, _, gain in at:
            if gain.mean <= _NARROWEST:
                words = {"text": f"◀ {gain.mean:.1f}", "font": {"color": colour, "size": 12}, "showarrow": False}
                fig.add_annotation(x=0.01, xref="x domain", xanchor="left", y=y, **words, **place)
    fig.add_vline(x=0, line={"color": INK, "width": 1}, **place)
    for y in range(len(rows) - 1):
        fig.add_hline(y=-y - 0.5, line={"color": PALE, "width": 1}, **place)
