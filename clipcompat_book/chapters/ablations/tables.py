"""Tables of switches: how many move each measure, which these are, and what the parts of the attention are worth."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.runs.tables import Table
from clipcompat_book.chapters.ablations.effects import MEASURES, Effect, pairs
from clipcompat_book.words import STARS, starred, with_interval

_WHERE = {"old": "on old", "new": "on new", "kept": "in what is kept"}


def counts_table(effects: Sequence[Effect]) -> Table:
    """How many switches move each measure: told from chance on these sets, and by more than their interval."""
    rows = tuple(
        (words, str(sum(e.sure(m) for e in effects)), str(sum(e.moved(m) for e in effects)))
        for m, words in _WHERE.items()
    )
    caption = f"How many of {len(effects)} switches move something."
    return Table(("", "told from chance on these sets", "the interval leaves 0 out"), rows, caption)


def movers_table(effects: Sequence[Effect]) -> Table:
    """Every switch that moves a measure, measure by measure and from the lowest up."""
    rows = [
        (f"{_WHERE[m]}: {e.reading.label}", with_interval(e.moves[m], "+"), f"{e.p[m]:.2g}", str(pairs(e)), _told(e, m))
        for m in MEASURES
        for e in sorted(effects, key=lambda e, m=m: e.moves[m].mean)
        if e.moved(m) or e.sure(m)
    ]
    caption = (
        "Points ± half of the 95 % interval over sets and seeds; p of signed ranks over the pairs, after Holm. Both: "
        "the interval leaves 0 out, and p is below 0.05. These sets: p alone; other sets may differ. May be chance: "
        "the interval alone, one of so many."
    )
    return Table(("moved", "points", "p", "pairs", "told by"), tuple(rows), caption)


def _told(effect: Effect, measure: str) -> str:
    if effect.moved(measure) and effect.sure(measure):
        return "both"
    return "these sets" if effect.sure(measure) else "may be chance"


def condition_table(effects: Sequence[Effect]) -> Table:
    """What the condition and the attention are worth: the rows that take them away."""
    by_label = {e.reading.label: e for e in effects}
    rows = [
        (label, starred(by_label[label].moves["old"]), starred(by_label[label].moves["new"]))
        for label in ("no attention", "no condition", "not trained")
        if label in by_label
    ]
    caption = f"Points from ContCoOp as published ± half of the 95 % interval over sets and seeds; {STARS}."
    return Table(("switch", "on old", "on new"), tuple(rows), caption)
