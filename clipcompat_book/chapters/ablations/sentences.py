"""What the switches say, in sentences made from records: they change when the records do. Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.runs.records import Record
from clipcompat_book.chapters.ablations.effects import Effect
from clipcompat_book.chapters.ablations.paper import TABLES, outside, rows_of
from clipcompat_book.chapters.ablations.readings import READINGS


def answer_sentence(effects: Sequence[Effect]) -> str:
    """Which switches move new so that chance is ruled out on these sets, and whether one of them raises it."""
    movers = sorted((e for e in effects if e.sure("new")), key=lambda e: e.moves["new"].mean)
    if not movers:
        return f"**None of {len(effects)} switches is told from chance on new, on these four sets.**"
    up, moved = ([e.reading.label for e in movers if sort(e)] or ["none"] for sort in (_raises, _moves))
    return (
        f"**Of {len(effects)} switches, {len(movers)} {'is' if len(movers) == 1 else 'are'} told from chance on new, "
        f"on these four sets:** {', '.join(e.reading.label for e in movers)}. Upwards: {', '.join(up)}. "
        f"By more than an interval that allows for other sets, too: {', '.join(moved)}."
    )


def _raises(effect: Effect) -> bool:
    return effect.moves["new"].mean > 0


def _moves(effect: Effect) -> bool:
    return effect.moved("new")


def records_sentence(effects: Sequence[Effect]) -> str:
    """How many of the planned switches have records, and which are not made yet."""
    have = {e.reading for e in effects}
    missing = [r.label for r in READINGS if r not in have]
    rest = f" Not made yet: {'; '.join(missing)}." if missing else ""
    return f"In the records: {len(effects)} of {len(READINGS)} switches, on four sets, with three to five seeds.{rest}"


def paper_sentence(records: Sequence[Record]) -> str:
    """How many printed changes on new are outside our intervals, and whether the largest is one of them."""
    found = [(title, row) for study, title in TABLES.items() for row in rows_of(study, records)]
    title, largest = max(found, key=lambda pair: abs(pair[1].printed[1]))
    where = "outside" if outside(largest) else "inside"
    return (
        f"**Of {len(found)} printed rows, {sum(outside(row) for _, row in found)} have a change on new outside our "
        f"interval.** The largest that the paper prints, {largest.label} ({title.partition(':')[0]}), is {where} it."
    )


def parts_sentence(records: Sequence[Record]) -> str:
    """For which rows of the paper's Table 4 its change on new is outside our interval, and for which inside."""
    rows = rows_of("parts", records)
    words = [
        f"{where} our interval: {', '.join(labels)}"
        for where, far in (("outside", True), ("inside", False))
        if (labels := [row.label for row in rows if outside(row) == far])
    ]
    return f"**Without a part, what the paper prints on new is** {'; '.join(words)}."
