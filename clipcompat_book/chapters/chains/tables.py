"""What chains lose, in tables: every step and all at once, and small updates one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.runs.tables import Table
from clipcompat_book.chapters.chains.sentences import sample
from clipcompat_book.chapters.chains.steps import Chain, Measure, by_method, over_sets
from clipcompat_book.words import STARS, starred, with_interval


def losses_table(chains: Sequence[Chain], names: Sequence[str]) -> Table:
    """Per method: each step's shortfall, all at once against their sum, and the oldest plug-in on the last generation.

    names: of the generations, as columns call them.
    """
    rows = []
    for name, own in by_method(chains).items():
        steps = [with_interval(over_sets(own, _step(j))) for j in range(own[0].last)]
        at_once = with_interval(over_sets(own, lambda c: c.shortfall(0, c.last)))
        excess = starred(over_sets(own, lambda c: c.excess))
        rows.append((name, *steps, at_once, excess, starred(over_sets(own, lambda c: c.gain(0, c.last)))))
    columns = ("method", *(f"{a} → {b}" for a, b in zip(names, names[1:], strict=False)))
    caption = (
        "Points below a plug-in that was tuned there: each step alone, both at once, and at once minus the sum of the "
        f"steps. Last: the oldest plug-in above zero-shot on {names[-1]}. ± half of the 95 % interval over "
        f"{sample(chains)}; {STARS}. Mini."
    )
    return Table((*columns, "at once", "at once − sum", "above zero-shot"), tuple(rows), caption)


def small_steps_table(chains: Sequence[Chain]) -> Table:
    """Per method: the shortfall after one, two, … small updates, and all at once against their sum."""
    rows = []
    for name, own in by_method(chains).items():
        after = [with_interval(over_sets(own, _after(j))) for j in range(1, own[0].last + 1)]
        rows.append((name, *after, starred(over_sets(own, lambda c: c.excess))))
    columns = ("method", *(f"after {j}" for j in range(1, chains[0].last + 1)), "at once − sum")
    caption = (
        "Points below tuning there, by the number of small updates, and all at once minus the sum of single updates. "
        f"± half of the 95 % interval over {sample(chains)}; {STARS}. Mini."
    )
    return Table(columns, tuple(rows), caption)


def _step(j: int) -> Measure:
    return lambda c: c.steps[j]


def _after(j: int) -> Measure:
    return lambda c: c.shortfall(0, j)
