"""Maps from other pictures than the task's beside one from its own: what they leave of what retraining adds.

sides = sides_of(committed_records("repair_elsewhere"))
elsewhere_table(sides)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.carried.elsewhere import MANY, PICTURES
from clipcompat_book.chapters.repair.rows import Repaired, controls_of, methods_of
from clipcompat_book.chapters.repair.unseen import percent, side_label
from clipcompat_book.words import by_direction

Sides = Mapping[str, Mapping[str, Repaired]]

UPGRADE = "the upgrade"
SOURCES = {
    f"other_orthogonal_{PICTURES}": f"{PICTURES} of one other dataset",
    f"mixed_orthogonal_{PICTURES}": f"{PICTURES} of all others",
    f"mixed_orthogonal_{MANY}": f"{MANY:,} of all others",
    "repaired": f"{PICTURES} of its own",
}
"""Column -> the pictures that a rotation was fitted on."""

_ONE, _FEW, _MANY, _OWN = SOURCES


def sides_of(records: Sequence[Record]) -> dict[str, dict[str, Repaired]]:
    """ "the upgrade" or "another start" -> title -> the method, of the study "elsewhere"."""
    return {UPGRADE: methods_of(records, "mini"), **controls_of(records)}


def elsewhere_table(sides: Sides) -> Table:
    """One row per method and side, one column per source of pictures, between carried and its own."""
    columns = {"carried": "carried", **SOURCES}
    rows = [
        (side_label(title, side), *(percent(method, name) for name in columns))
        for side, methods in sides.items()
        for title, method in methods.items()
    ]
    caption = (
        "Repaired by a rotation, fitted on pictures without labels: share of what retraining adds to zero-shot, %, ± "
        "half of the 95 % interval over sets and seeds. One other dataset: another one with each seed. Mini."
    )
    return Table(("method", *columns.values()), tuple(rows), caption)


def elsewhere_sentence(sides: Sides, stretched: str = "ridge") -> str:
    """On the upgrade: what a map from other datasets leaves of retraining's gain, how each source differs from the
    task's own pictures, and whether a map that may also stretch is worse than the rotation with other pictures.
    """
    methods = sides[UPGRADE]
    told = [
        f"Of what retraining adds, a rotation by {PICTURES} pictures of all other datasets leaves "
        f"{_range(methods, _FEW)}; by its own pictures {_range(methods, _OWN)}. **Against its own pictures.**"
    ]
    for source in (_ONE, _FEW, _MANY):
        gaps = {title: method.behind(source, _OWN) for title, method in methods.items()}
        told.append(f"With {SOURCES[source]}, {by_direction(gaps)}.")
    pair = (f"other_{stretched}_{PICTURES}", _ONE)
    gaps = {title: method.behind(*pair) for title, method in methods.items()}
    told.append(f"{stretched.capitalize()} instead of a rotation, with {SOURCES[_ONE]}: {by_direction(gaps)}.")
    return " ".join(told)


def _range(methods: Mapping[str, Repaired], name: str) -> str:
    """ "43 ± 39 % (linear probe) to 79 ± 23 % (Tip-Adapter)": the smallest share and the largest."""
    least, most = (pick(methods.values(), key=lambda method: method.share(name)) for pick in (min, max))
    return f"{percent(least, name)} % ({least.title}) to {percent(most, name)} % ({most.title})"
