"""What the switches say, in sentences made from records: they change when the records do. Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.runs.records import Record
from clipcompat_book.chapters.ablations.effects import MEASURES, Effect, pairs
from clipcompat_book.chapters.ablations.paper import TABLES, rows_of
from clipcompat_book.chapters.ablations.readings import READINGS
from clipcompat_book.words import apart, with_interval

_WHERE = {"old": "on old", "new": "on new", "kept": "in what is kept"}


def answer_sentence(effects: Sequence[Effect]) -> str:
    """How many switches move each measure, and which on new."""
    counts = [
        f"{sum(e.sure(m) for e in effects)} {_WHERE[m]} ({sum(e.moved(m) for e in effects)} by more than the interval)"
        for m in MEASURES
    ]
    movers = sorted((e for e in effects if e.sure("new")), key=lambda e: e.moves["new"].mean)
    which = "; ".join(f"{e.reading.label} {e.moves['new'].mean:+.1f}" for e in movers) or "none"
    up = sum(e.moves["new"].mean > 0 for e in movers)
    return (
        f"**Of {len(effects)} switches, told from chance on these four sets:** {', '.join(counts)}. "
        f"**On new these are:** {which}. Upwards: {up}."
    )


def records_sentence(effects: Sequence[Effect]) -> str:
    """How many of the planned switches have records, and which are not made yet."""
    have = {e.reading for e in effects}
    missing = [r.label for r in READINGS if r not in have]
    rest = f" Not made yet: {'; '.join(missing)}." if missing else ""
    return f"In the records: {len(effects)} of {len(READINGS)} switches, on four sets, with three to five seeds.{rest}"


def movers_sentence(effects: Sequence[Effect], measure: str) -> str:
    """Every switch that moves a measure, with its interval over sets and seeds and its corrected p: a list."""
    found = [e for e in effects if e.moved(measure) or e.sure(measure)]
    head = f"**{len(found)} of {len(effects)} switches move something {_WHERE[measure]}**"
    if not found:
        return f"{head}, by either measure."
    lines = [
        f"- {e.reading.label}: {with_interval(e.moves[measure], '+')}, p = {e.p[measure]:.2g} "
        f"({pairs(e)} pairs): {_verdict(e, measure)}"
        for e in sorted(found, key=lambda e: e.moves[measure].mean)
    ]
    return f"{head}:\n\n" + "\n".join(lines)


def _verdict(effect: Effect, measure: str) -> str:
    if effect.moved(measure) and effect.sure(measure):
        return "by more than its interval, and not by chance."
    if effect.sure(measure):
        return "on these sets; other sets may differ, the interval holds 0."
    return "by more than its interval, but one of so many may be by chance."


def condition_sentence(effects: Sequence[Effect]) -> str:
    """What the condition and the attention are worth: the rows "no condition" and "no attention"."""
    by_label = {e.reading.label: e for e in effects}
    words = [
        f"{label}: {apart(by_label[label].moves['old'])} on old, {apart(by_label[label].moves['new'])} on new"
        for label in ("no attention", "no condition", "not trained")
        if label in by_label
    ]
    return f"**Against ContCoOp as published:** {'; '.join(words)}."


def paper_sentence(records: Sequence[Record]) -> str:
    """How many of the printed rows have our sign on new, and the largest printed change beside ours."""
    found = [(title, row) for study, title in TABLES.items() for row in rows_of(study, records)]
    outside = [(t, r) for t, r in found if abs(r.printed[1] - r.ours[1].mean) > (r.ours[1].interval or 0)]
    title, largest = max(found, key=lambda pair: abs(pair[1].printed[1]))
    words = "; ".join(f"{r.label} ({t.partition(':')[0]})" for t, r in outside) or "none"
    return (
        f"**Of {len(found)} printed rows, {len(outside)} have a change on new outside our interval:** {words}. The "
        f"largest that the paper prints is {largest.label} ({title.partition(':')[0]}): {largest.printed[1]:+.2f} on "
        f"new; ours is {with_interval(largest.ours[1], '+')}."
    )


def parts_sentence(records: Sequence[Record]) -> str:
    """What the paper's Table 4 and ours lose on new without each part, and whether ours is told from the paper's."""
    words = []
    for row in rows_of("parts", records):
        ours = row.ours[1]
        inside = abs(row.printed[1] - ours.mean) <= (ours.interval or 0)
        where = "inside our interval" if inside else "outside our interval"
        words.append(f"{row.label} {row.printed[1]:+.2f} in the paper, {with_interval(ours, '+')} here ({where})")
    return f"**Where mini and paper differ, on new:** {'; '.join(words)}."
