"""What names and numbers of pictures are worth: records of one folder under several lists of names, read as curves.

    records = committed_records("names_and_shots")
    curve(records, "cleaned names", "coop", "new")        # {0: zero-shot, 1: …, 16: …}

The records are runs on the cloth samples of `clipcompat_book.miniature.cloth`, made by `clipcompat run --dataset
folder:… --names … --shots …`. Sentences that state a direction are computed from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from clipcompat.common.errors import unknown_name
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table, cell
from clipcompat.studies.statistic import Direction, Statistic
from clipcompat_book.means import by_seed, reports_of
from clipcompat_book.miniature.cloth import KINDS, cloth_names
from clipcompat_book.words import name_title, starred

SIDES = ("old", "new", "retrained")
_TITLES = {"raw": "folder names", "plain": "everyday words", "house": "house words"}
_CLEANED = "cleaned names"

Curve = Mapping[int, Statistic]
"""Shots -> accuracy over seeds; 0 shots are zero-shot."""


def name_lists() -> dict[str, tuple[str, ...]]:
    """Title -> class names of the cloth samples, from the best known words to the least."""
    lists = {_TITLES[kind]: tuple(cloth_names(kind).values()) for kind in KINDS}
    lists[_CLEANED] = ClassNames.of(list(cloth_names())).names
    return {title: lists[title] for title in ("everyday words", _CLEANED, "folder names", "house words")}


def curve(records: Sequence[Record], names: str, method: str, side: str) -> dict[int, Statistic]:
    """Accuracy by shots, of one method with one list of names.

    Args:
        names: a title of `name_lists()`. side: "old", "new" (carried) or "retrained" (which has no 0 shots: zero-shot
            on new is no training).

    Raises:
        UnknownNameError: no such list, side, or no record of it.
    """
    if side not in SIDES:
        raise unknown_name("side", side, SIDES)
    by_shots: dict[int, Statistic] = {}
    for record in _of(records, names, method):
        rows = record.reports
        if side != "retrained":
            by_shots[0] = Statistic.of([rows[0].zs_old if side == "old" else rows[0].zs_new])
        by_shots[record.inputs["shots"]] = Statistic.of([getattr(row, side) for row in rows])
    return dict(sorted(by_shots.items()))


def names_table(records: Sequence[Record], method: str = "coop") -> Table:
    """What each list of names scores on old without training, and with the most shots on both backbones."""
    rows = []
    for names in name_lists():
        old, new = (curve(records, names, method, side) for side in ("old", "new"))
        most = max(old)
        rows.append((names, *(f"{point.mean:.0f}" for point in (old[0], old[most], new[most]))))
    columns = ("names", "on old, zero-shot", f"{most} shots", "carried to new")
    return Table(columns, tuple(rows), f"{name_title(method)}, percent, mean of the draws. Mini.")


def repair_table(records: Sequence[Record], better: str, method: str = "coop") -> Table:
    """How far every other list of names is behind `better`: without training, tuned on old, and carried to new."""
    best, rows = curve(records, better, method, "old"), []
    most = max(best)
    for names in (names for names in name_lists() if names != better):
        start = best[0].mean - curve(records, names, method, "old")[0].mean  # zero-shot, which no draw enters
        old, new = (_gaps(records, names, better, method, side, most) for side in ("old", "new"))
        tuned, carried = (Statistic.of(list(gaps.values())) for gaps in (old, new))
        lost = Statistic.of([new[seed] - old[seed] for seed in old])
        rows.append((names, f"{start:.1f}", *map(starred, (tuned, carried, lost))))
    columns = ("names", "without training", f"{most} shots on old", "carried to new", "added by the upgrade")
    caption = (
        f"{name_title(method)}: points behind {better}, ± half of the 95 % interval over {lost.n} draws; * the "
        "interval leaves 0 out. Mini."
    )
    return Table(columns, tuple(rows), caption)


def enough_table(records: Sequence[Record], lists: Iterable[str], method: str = "coop") -> Table:
    """From how many shots on no accuracy is seen to be below that of the most, and what retraining needs.

    Both by paired 95 % intervals over draws. One row per list of names.
    """
    rows = []
    for names in lists:
        draws = {side: _draws(records, names, method, side) for side in SIDES}
        most = max(draws["old"])
        carried = draws["new"][most]
        fewest = [_fewest(draws[side], draws[side][most]) for side in ("old", "new")]
        above = [shots for shots, draw in draws["retrained"].items() if _is(draw, "higher", carried)]
        counts = (*fewest, _fewest(draws["retrained"], carried), min(above, default=None))
        rows.append((names, *("–" if count is None else str(count) for count in counts)))
    columns = ("names", "old: enough", "carried: enough", "retrained: as good as carried", "retrained: better")
    caption = (
        f"{name_title(method)}, shots per class. Enough: from here on no accuracy is seen to be below that of {most}. "
        f"Retrained on new: from here on not seen to be below what was tuned on old with {most} shots and carried, and "
        "the fewest that are seen to be better; –: none. Mini."
    )
    return Table(columns, tuple(rows), caption)


def curves_table(records: Sequence[Record], names: str, methods: Sequence[str], caption: str = "") -> Table:
    """One row per method and side, one column per number of shots: mean ± sd over seeds."""
    curves = {(m, side): curve(records, names, m, side) for m in methods for side in SIDES}
    shots = sorted({k for line in curves.values() for k in line})
    rows = [(name_title(m), side, *(cell(line.get(k)) for k in shots)) for (m, side), line in curves.items()]
    return Table(("method", "", *(f"{k} shot{'s' * (k != 1)}" for k in shots)), tuple(rows), caption)


def _of(records: Sequence[Record], names: str, method: str) -> list[Record]:
    """The records of one method with one list of names, one per number of shots."""
    lists = name_lists()
    if names not in lists:
        raise unknown_name("list of names", names, lists)
    same = [r for r in records if tuple(r.inputs["classnames"]) == lists[names]]
    mine = [r for r in same if r.method == method]
    if not mine:
        raise unknown_name("method with these names", method, {r.method for r in same})
    return mine


def _draws(records: Sequence[Record], names: str, method: str, side: str) -> dict[int, dict[int, float]]:
    """Shots -> seed -> accuracy; 0 shots are zero-shot, which is the same for every seed."""
    mine = _of(records, names, method)
    made = {record.inputs["shots"]: by_seed(record.reports, attrgetter(side)) for record in mine}
    if side != "retrained":
        made[0] = by_seed(mine[0].reports, attrgetter(f"zs_{side}"))
    return dict(sorted(made.items()))


def _fewest(draws: Mapping[int, Mapping[int, float]], against: Mapping[int, float]) -> int | None:
    """The fewest shots from which on none is seen to be lower than `against`, paired; None if the most shots are."""
    lower = [shots for shots, draw in draws.items() if _is(draw, "lower", against)]
    return min((shots for shots in draws if shots > max(lower, default=-1)), default=None)


def _is(first: Mapping[int, float], direction: Direction, second: Mapping[int, float]) -> bool:
    return Statistic.paired(first, second).direction == direction


def _gaps(records: Sequence[Record], worse: str, better: str, method: str, side: str, shots: int) -> dict[int, float]:
    """Seed -> how many points one list of names is behind the other, with the same pictures drawn."""
    lists = [[r for r in _of(records, names, method) if r.inputs["shots"] == shots] for names in (worse, better)]
    behind, ahead = (by_seed(reports_of(mine), attrgetter(side)) for mine in lists)
    return {seed: ahead[seed] - behind[seed] for seed in ahead if seed in behind}
