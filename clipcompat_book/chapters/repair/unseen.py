"""Repairs without a picture: what they leave of retraining's gain, beside the goals that were set, and on the twin.

sides = unseen(committed_records("repair_without_pictures"), committed_records("repair"))
sides["the upgrade"]["CoOp"].share("tokens")      # of what retraining adds to zero-shot
goals_figure(sides)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison
from clipcompat_book.chapters.repair.rows import Repaired, controls_of, methods_of
from clipcompat_book.show import BASE_CLASSES, INK, NEW, OLD, PALE, TOP_LEGEND
from clipcompat_book.words import by_direction

Sides = Mapping[str, Mapping[str, Repaired]]

GOALS = {"map": 0.4, "imitate": 0.8}
"""How a method is repaired with pictures -> the share that was wanted without them, before there were records."""

WAYS = {"sentences_orthogonal_200": "200 captions", "tokens": "tokens", "anchors": "anchors"}
"""Column -> what a repair without pictures was made from."""

_LEAST = -120
"""Where the axis of shares begins, in percent."""

_MARKS = {
    "carried": ("carried unchanged", "circle", NEW),
    "sentences_orthogonal_200": ("moved by captions", "diamond", BASE_CLASSES),
    "tokens": ("moved by tokens", "diamond", OLD),
    "anchors": ("moved by anchors", "diamond-open", OLD),
    "repaired": ("repaired with 200 pictures", "square-open", INK),
}


def unseen(records: Sequence[Record], with_pictures: Sequence[Record]) -> dict[str, dict[str, Repaired]]:
    """ "the upgrade" or the control -> title -> the method, with columns of both studies.

    Methods that were not retrained on a side are left out there, as a share needs that.
    """
    seen = {"the upgrade": methods_of(with_pictures, "mini"), **controls_of(with_pictures)}
    blind = {"the upgrade": methods_of(records, "mini"), **controls_of(records)}
    return {
        side: {title: _joined(method, seen[side][title]) for title, method in methods.items() if title in seen[side]}
        for side, methods in blind.items()
    }


def _joined(blind: Repaired, seen: Repaired) -> Repaired:
    """Rows of one study with what the other one adds for the same dataset and seed."""
    known = {(dataset, row["seed"]): row for dataset, row in seen.rows}
    rows = [(d, known[d, row["seed"]] | row) for d, row in blind.rows if (d, row["seed"]) in known]
    return Repaired(blind.title, tuple(rows))


def share_of(method: Repaired, name: str) -> tuple[float, float | None]:
    """The share of retraining's gain, in percent, and half of its 95 % interval over sets and seeds.

    With the share s, accuracy - (zero-shot + s (retrained - zero-shot)) is 0 on average; its interval, over the mean
    gain of retraining, is that of s.
    """
    share = method.share(name)
    zero_shot, retrained, values = (method.values(column) for column in ("zs_new", "retrained", name))
    there = {cell: zero_shot[cell] + share * (retrained[cell] - zero_shot[cell]) for cell in values}
    half = Comparison.of(values, there).interval
    return 100 * share, None if half is None else 100 * half / abs(method.gain("retrained").mean)


def goals_figure(sides: Sides) -> go.Figure:
    """Share of retraining's gain (x), one row per method and side; error bars are 95 % intervals, short lines goals.

    What lies left of the axis is an arrow at its end, with its number.
    """
    fig = go.Figure()
    rows = [(side, title, method) for side, methods in sides.items() for title, method in methods.items()]
    for name, (words, symbol, colour) in _MARKS.items():
        found = [(-y, *share_of(method, name)) for y, (_, _, method) in enumerate(rows) if method.values(name)]
        within = [(y, share, half or 0) for y, share, half in found if share >= _LEAST]
        beyond = [(y, share) for y, share, _ in found if share < _LEAST]
        look = {"size": 11, "color": colour, "line": {"width": 2, "color": colour}}
        fig.add_scatter(
            x=[share for _, share, _ in within],
            y=[y for y, _, _ in within],
            mode="markers",
            name=words,
            marker=look | {"symbol": symbol},
            error_x={"array": [half for *_, half in within], "color": colour, "thickness": 1},
            hovertemplate="%{x:.0f} %<extra>" + words + "</extra>",
        )
        if beyond:
            fig.add_scatter(
                x=[_LEAST] * len(beyond),
                y=[y for y, _ in beyond],
                mode="markers+text",
                text=[f"{share:.0f}".replace("-", "−") for _, share in beyond],
                textposition="middle right",
                marker=look | {"symbol": "triangle-left"},
                name=f"{words}, further left",
                showlegend=False,
                hovertemplate="%{text} %<extra>" + words + "</extra>",
            )
    for y, (side, _, method) in enumerate(rows):
        goal = 100 * GOALS[method.how] if side == "the upgrade" else 0
        line = {"color": INK, "width": 3}
        fig.add_shape(type="line", x0=goal, x1=goal, y0=-y - 0.25, y1=-y + 0.25, line=line)
    for y, (side, title, _) in enumerate(rows):  # above its row, where a phone has room
        at = {"x": 0, "xref": "paper", "xanchor": "left", "y": -y, "yanchor": "bottom", "yshift": 7}
        fig.add_annotation(text=side_label(title, side), showarrow=False, font_size=13, **at)
    fig.update_yaxes(range=[0.4 - len(rows), 0.8], showticklabels=False, zeroline=False, showgrid=False)
    fig.update_xaxes(
        title_text="share of what retraining adds, %", range=[_LEAST - 10, 130], zeroline=True, gridcolor=PALE
    )
    return fig.update_layout(height=150 + 44 * len(rows), margin={"t": 90, "b": 60, "l": 15}, legend=TOP_LEGEND)


def shares_table(sides: Sides) -> Table:
    """Shares with their intervals: carried, each repair without pictures, with pictures; and the goal."""
    columns = {"carried": "carried", **WAYS, "repaired": "200 pictures"}
    rows = []
    for side, methods in sides.items():
        for title, method in methods.items():
            cells = [percent(method, name) if method.values(name) else "–" for name in columns]
            goal = f"{100 * GOALS[method.how]:.0f}" if side == "the upgrade" else "about 0"
            rows.append((side_label(title, side), *cells, goal))
    caption = "Share of what retraining adds to zero-shot, %, ± half of the 95 % interval over sets and seeds. Mini."
    return Table(("method", *columns.values(), "goal"), tuple(rows), caption)


def moved_sentence(sides: Sides) -> str:
    """What moving a prompt adds to carrying it, on the upgrade."""
    told = []
    for way in ("tokens", "anchors"):
        upgrade = sides["the upgrade"]
        gaps = {title: method.behind(way, "carried") for title, method in upgrade.items() if method.values(way)}
        told += [f"A prompt moved by {way}, against carrying it: {by_direction(gaps)}."] * bool(gaps)
    return " ".join(told)


def side_label(title: str, side: str) -> str:
    """ "CoOp", or "CoOp, another start" where the side is no upgrade."""
    return title if side == "the upgrade" else f"{title}, {side}"


def percent(method: Repaired, name: str) -> str:
    """`share_of` in words: "43 ± 39"."""
    share, half = share_of(method, name)
    return f"{share:.0f}" if half is None else f"{share:.0f} ± {half:.0f}"
