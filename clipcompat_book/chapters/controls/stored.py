"""An index of old's image vectors, asked by new: recall and precision, mapped or not, from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison, Values
from clipcompat_book.means import groups
from clipcompat_book.words import STARS, apart, datasets, starred, with_interval

WAYS = {
    "unmapped": "as it is",
    "sentences": "rotated by 200 sentences",
    "means_25": "… shifted by the means of 25 pictures",
    "means_200": "… shifted by the means of 200 pictures",
    "orthogonal_50": "rotated by 50 pictures",
    "orthogonal_200": "rotated by 200 pictures",
    "ridge_200": "ridge, 200 pictures",
    "relaxed_200": "relaxed rotation, 200 pictures",
}
_SIDES = {"mini": "the upgrade", "mini-large": "the larger pair"}

Indexes = Mapping[str, Sequence[Record]]
"""What the upgrade is -> its records."""


def indexes_of(records: Sequence[Record]) -> Indexes:
    """The upgrade, the larger pair, and the seed twin ("another start"), as far as there are records.

    records: of "stored_vectors", and of "stored_means", which has the two without a twin.
    """
    found = groups(records, lambda r: _SIDES.get(r.titles.upgrade, "another start"))
    order = [*_SIDES.values(), "another start"]
    return {side: found[side] for side in order if side in found}


def stored_table(records: Sequence[Record]) -> Table:
    """One row per way, of one upgrade: recall of the nearest and of the ten nearest, precision of the class."""
    columns = ("_1", "_10", "_text", "_class")
    rows = []
    for way, words in WAYS.items():
        if _values(records, f"{way}_1"):
            rows.append((words, *(with_interval(_mean(records, f"{way}{c}")) for c in columns)))
    rows.append(("every picture encoded again", "100", "100", "100", with_interval(_mean(records, "again_class"))))
    count, seeds = len({r.dataset for r in records}), len(records[0].per_seed)
    caption = (
        "Percent ± half of the 95 % interval, over "
        f"{datasets(count)} and {seeds} seeds. Recall: of what an index encoded again returns. Class: share of the ten "
        "nearest that are of the query's class. Mini."
    )
    head = ("stored vectors", "recall@1, pictures", "recall@10, pictures", "recall@10, texts", "class, pictures")
    return Table(head, tuple(rows), caption)


def upgrades_table(indexes: Indexes, way: str = "orthogonal_200") -> Table:
    """What the map gives back of the class precision, on each upgrade, against the index as it is and encoded again."""
    rows = []
    for side, records in indexes.items():
        mapped = _values(records, f"{way}_class")
        others = (_values(records, f"{other}_class") for other in ("unmapped", "again"))
        gaps = (starred(Comparison.of(mapped, other)) for other in others)
        rows.append((side, with_interval(_mean(records, f"{way}_class")), *gaps))
    caption = (
        f"{WAYS[way].capitalize()}: share of the ten nearest that are of the query's class, in percent, and what that "
        f"is from the index as it is and from one encoded again, in points; {STARS}. Mini."
    )
    return Table(("upgrade", "class, pictures", "− as it is", "− encoded again"), tuple(rows), caption)


def means_sentence(indexes: Indexes, way: str = "means_200") -> str:
    """What a shift by means of pictures adds to sentences, for both kinds of queries; "" if no index has it."""
    told = []
    for side, records in indexes.items():
        if _values(records, f"{way}_10"):
            by = {"pictures": "_10", "class names": "_text"}
            gaps = {q: Comparison.of(*(_values(records, f"{w}{c}") for w in (way, "sentences"))) for q, c in by.items()}
            told.append(f"on {side}, recall@10 asked by {', by '.join(f'{q} {apart(g)}' for q, g in gaps.items())}")
    if not told:
        return ""
    return f"**Sentences shifted by the means of 200 pictures, against sentences alone:** {'; '.join(told)}."


def _mean(records: Sequence[Record], name: str) -> Comparison | None:
    own = _values(records, name)
    return Comparison.of(own, dict.fromkeys(own, 0.0))


def _values(records: Sequence[Record], name: str) -> Values:
    return {("", r.dataset, row["seed"]): row[name] for r in records for row in r.per_seed if name in row}
