"""What a conditional prompt loses with the condition of another class: a sentence and a figure, from records."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import plotly.graph_objects as go

from clipcompat.common.errors import unknown_name
from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat_book.chapters.compatibility.charts import strips
from clipcompat_book.means import of_method
from clipcompat_book.words import apart, datasets, upgrades

_STUDY, _SIDES = "shuffled", ("old", "new")


def shuffle_sentence(records: Sequence[Record], method: str = "ContCoOp") -> str:
    """How far accuracy on old and on new depends on the condition being the right class.

    Intervals are over datasets and seeds; each seed has its own derangement.

    Raises:
        UnknownNameError: no record of the study "shuffled", or none of this method.
    """
    rows = _rows(records, method)
    parts = []
    for side in _SIDES:
        change, gain = _gap(rows, f"shuffled_{side}", side), _gap(rows, side, f"zs_{side}")
        told = fmean(row[f"changed_{side}"] for row in rows)
        parts.append(
            f"on {side}, accuracy with the conditions of other classes against the right ones: {apart(change)}, with "
            f"{told:.1f} % of the predictions changed (the plug-in against zero-shot: {apart(gain)})"
        )
    count = datasets(len({row["dataset"] for row in rows}))
    where = upgrades(r for r in records if r.study == _STUDY and r.titles.method == method)
    return f"{method}, {count}: {'; '.join(parts)}. This control has records of {where}."


def shuffle_strips(records: Sequence[Record], method: str = "ContCoOp") -> go.Figure:
    """Accuracy with shuffled conditions minus with the right ones, in points: a dot per dataset and seed, by backbone.

    Alt text: where the dots lie around zero, and how wide they spread.
    """
    rows = _rows(records, method)
    return strips(
        {f"on {side}": [row[f"shuffled_{side}"] - row[side] for row in rows] for side in _SIDES},
        "accuracy with other classes' conditions minus with the right ones, points",
    )


def _rows(records: Sequence[Record], method: str) -> list[dict]:
    mine = [record for record in records if record.study == _STUDY]
    if not mine:
        raise unknown_name("study among these records", _STUDY, {record.study for record in records})
    return [row for record in of_method(mine, method) for row in record.per_seed]


def _gap(rows: Sequence[dict], first: str, second: str) -> Comparison:
    """`first` minus `second`, over datasets and seeds."""
    one, two = ({("", row["dataset"], row["seed"]): row[name] for row in rows} for name in (first, second))
    return Comparison.of(one, two)
