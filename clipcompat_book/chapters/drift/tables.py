"""Whether drift predicts loss, for every upgrade with records of both studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.drift.report import Drift
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.drift.curves import blocks, by_part, upgrade_name
from clipcompat_book.chapters.drift.losses import correlation, lost
from clipcompat_book.means import groups, of_method

_COLUMNS = (
    "upgrade, method",
    "datasets",
    "new alone: blocks",
    "new alone: all parts",
    "old alone: blocks",
    "old alone: all parts",
)


def prediction_table(
    records: Sequence[Record], recorded: Mapping[str, Mapping[str, Drift]], methods: Sequence[str]
) -> Table:
    """Rank correlation of a part's parameter change with what its exchange costs, with its interval over datasets.

    One row per upgrade and method. * : the interval leaves 0 out.
    """
    rows = []
    for name, own in groups(records, upgrade_name).items():
        if name not in recorded:
            continue
        moved = by_part(next(iter(recorded[name].values())))
        for method in methods:
            cells = []
            for way in ("replaced", "frozen"):
                losses = lost(of_method(own, method), way)
                cells += [_cell(correlation(losses, moved, parts)) for parts in (blocks(moved), moved)]
            rows.append((f"{name}, {method}", str(len({r.dataset for r in own})), *cells))
    return Table(_COLUMNS, tuple(rows), "Drift against loss, Spearman ± 95 % interval. * leaves 0 out. Mini.")


def _cell(found: Statistic | None) -> str:
    if found is None:
        return "–"
    interval = "" if found.interval is None else f" ± {found.interval:.2f}"
    return f"{found.mean:+.2f}{interval}" + ("" if found.direction == "no difference seen" else " *")
