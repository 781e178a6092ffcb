"""Every kind of map beside the rotation: from pictures, from captions, and from captions with means of pictures.

methods = mapped(committed_records("repair_maps"), committed_records("repair"))
every_map_table(methods)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.carried.maps import PICTURES, SENTENCES, SHOWN
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.repair.rows import Repaired
from clipcompat_book.chapters.repair.unseen import unseen
from clipcompat_book.means import groups
from clipcompat_book.words import by_direction, datasets, with_interval

WAYS = {
    f"map_orthogonal_{PICTURES}": "rotation",
    f"map_relaxed_{PICTURES}": "relaxed rotation",
    f"map_ridge_{PICTURES}": "ridge",
    f"map_low_rank_{PICTURES}": "low rank",
    f"map_residual_{PICTURES}": "ridge and a small network",
    f"sentences_{SENTENCES}": f"rotation by {SENTENCES} captions",
    **{f"means_{n}": f"captions, shift by {n} pictures" for n in SHOWN},
}
"""Column -> the map, of pictures where nothing else is said."""

_DEFAULT, *_OTHERS, _SENTENCES, _FEW, _MANY = WAYS
_BEST = " †"


def mapped(records: Sequence[Record], retrained: Sequence[Record]) -> dict[str, Repaired]:
    """Title -> method, on the upgrade mini, of the studies "maps" and "repair"."""
    return unseen(records, retrained)["the upgrade"]


def over_seeds(method: Repaired, name: str) -> Statistic | None:
    """Points above zero-shot on new: the mean over datasets, with its interval over seeds."""
    zero_shot = method.values("zs_new")
    by_seed = groups(method.values(name).items(), lambda cell: cell[0][2])
    return Statistic.of([fmean(value - zero_shot[cell] for cell, value in cells) for cells in by_seed.values()])


def best_map(method: Repaired) -> str:
    """The column of the map with the highest mean."""
    return max((way for way in WAYS if method.values(way)), key=method.mean)


def every_map_table(methods: Mapping[str, Repaired]) -> Table:
    """One row per map, one column per method, between carried and retrained."""
    best = {title: best_map(method) for title, method in methods.items()}
    rows = []
    for name, words in {"carried": "carried", **WAYS, "retrained": "retrained, with labels"}.items():
        cells = [
            with_interval(over_seeds(method, name), "+") + (_BEST if best[title] == name else "")
            for title, method in methods.items()
        ]
        rows.append((words, *cells))
    sets = len({dataset for method in methods.values() for dataset, _ in method.rows})
    caption = (
        f"Points above zero-shot on new: means over {datasets(sets)}, ± half of the 95 % interval over seeds. Maps are "
        f"fitted on {PICTURES} pictures without labels, or as the row says. †: the best map of the column. –: the "
        "method cannot have it. Mini."
    )
    return Table(("map", *methods), tuple(rows), caption)


def maps_sentence(methods: Mapping[str, Repaired]) -> str:
    """Which maps differ from the rotation, and what a shift by pictures adds to captions; over sets and seeds."""
    pairs = [(way, _DEFAULT, "the rotation") for way in _OTHERS]
    pairs += [(way, _SENTENCES, "captions alone") for way in (_FEW, _MANY)]
    pairs.append((_MANY, _DEFAULT, f"the rotation by {PICTURES} pictures"))
    found = []
    for way, other, words in pairs:
        gaps = {title: method.behind(way, other) for title, method in methods.items() if method.values(way)}
        found += [(WAYS[way], f"against {words}: {by_direction(gaps)}")] * bool(gaps)
    told = [(" / ".join(way for way, _ in same), what) for what, same in groups(found, lambda one: one[1]).items()]
    return " ".join(f"**{ways.capitalize()}**, {what}." for ways, what in told)
