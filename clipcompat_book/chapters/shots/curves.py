"""What names and numbers of pictures are worth: records of one folder under several lists of names, read as curves.

    records = committed_records("names_and_shots")
    curve(records, "cleaned names", "coop", "new")        # {0: zero-shot, 1: …, 16: …}

The records are runs on the cloth samples of `clipcompat_book.miniature.cloth`, made by `clipcompat run --dataset
folder:… --names … --shots …`. Sentences that state a direction are computed from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from clipcompat.common.errors import unknown_name
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table, cell
from clipcompat.studies.statistic import Direction, Statistic
from clipcompat_book.means import by_seed, reports_of
from clipcompat_book.miniature.cloth import KINDS, cloth_names
from clipcompat_book.words import apart, name_title, points, with_interval

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


def names_sentence(records: Sequence[Record], method: str = "coop") -> str:
    """What each list of names scores on old without training, and with the most shots on both backbones: Markdown."""
    parts = []
    for names in name_lists():
        old, new = (curve(records, names, method, side) for side in ("old", "new"))
        most = max(old)
        parts.append(f"**{names}** {old[0].mean:.0f} → {old[most].mean:.0f}, carried {new[most].mean:.0f}")
    return f"From 0 to {most} shots of {name_title(method)} on old, and carried to new, percent: {'; '.join(parts)}."


def repair_sentence(records: Sequence[Record], worse: str, better: str, method: str = "coop") -> str:
    """How far one list of names is behind another without training, tuned on old, and carried to new: Markdown."""
    one, two = (curve(records, names, method, "old") for names in (worse, better))
    most = max(one)
    old, new = (_gaps(records, worse, better, method, side, most) for side in ("old", "new"))
    lost = Statistic.of([new[seed] - old[seed] for seed in old])
    added = f"Points that the upgrade adds: {with_interval(lost)}"
    if lost.interval is not None:
        doubt = ", which does not exclude 0" if lost.direction == "no difference seen" else ""
        added += f" (95 % interval over {lost.n} draws{doubt})"
    start = points(two[0].mean - one[0].mean, "behind", "ahead")  # zero-shot, which no draw enters
    tuned, carried = (apart(Statistic.of(list(gaps.values())), "behind", "ahead") for gaps in (old, new))
    return (
        f"**{worse.capitalize()} against {better}:** {start} without training, {tuned} after {most} shots on old, "
        f"{carried} when carried to new. {added}."
    )


def enough_sentence(records: Sequence[Record], names: str, method: str = "coop") -> str:
    """From how many shots on no accuracy is seen to be below that of the most, and what retraining needs: Markdown.

    Both by paired 95 % intervals over draws.
    """
    draws = {side: _draws(records, names, method, side) for side in SIDES}
    most = max(draws["old"])
    fewest = {side: _fewest(draws[side], draws[side][most]) for side in ("old", "new")}
    carried = draws["new"][most]
    few = _fewest(draws["retrained"], carried)
    above = [shots for shots, draw in draws["retrained"].items() if _is(draw, "higher", carried)]
    again = f"retraining is seen to be below even with {most} shots"
    if few is not None:
        again = f"retraining is not seen to be below from {few} shot{'s' * (few > 1)} on"
        again += f", and seen to be above with {min(above)}" if above else ""
    return (
        f"**{name_title(method)} with {names}:** fewest shots from which on no accuracy is seen to be below that with "
        f"{most}: on old {fewest['old']}, carried to new {fewest['new']}. On new, against what was tuned on old with "
        f"{most} shots and carried, {again}."
    )


def curves_table(records: Sequence[Record], names: str, methods: Sequence[str], caption: str = "") -> Table:
    """One row per method and side, one column per number of shots: mean ± sd over seeds."""
    curves = {(m, side): curve(records, names, m, side) for m in methods for side in SIDES}
    shots = sorted({k for line in curves.values() for k in line})
    rows = [(name_title(m), side, *(cell(line.get(k)) for k in shots)) for (m, side), line in curves.items()]
    return Table(("method", "", *(f"{k} shots" for k in shots)), tuple(rows), caption)


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
