"""What chains say, in sentences whose directions come from intervals: Markdown, and it changes with the records."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat_book.chapters.chains.steps import Chain, Measure, by_method, over_sets
from clipcompat_book.words import apart, datasets, with_interval


def records_sentence(chains: Sequence[Chain]) -> str:
    """Which methods, datasets and seeds the chains are of."""
    generations = chains[0].last + 1
    return f"In the records: {', '.join(by_method(chains))}, on {_sample(chains)}, over {generations} generations."


def answer_sentence(chains: Sequence[Chain]) -> str:
    """Per method: what each step loses against tuning there, and whether steps at once lose what they lose singly."""
    parts = []
    for name, own in by_method(chains).items():
        steps = [with_interval(over_sets(own, _step(j))) for j in range(own[0].last)]
        at_once = over_sets(own, lambda c: c.shortfall(0, c.last))
        excess = apart(over_sets(own, lambda c: c.excess), "more", "less")
        parts.append(f"{name} {', then '.join(steps)}; at once {with_interval(at_once)} ({excess})")
    return (
        "**Points below a plug-in that was tuned there, after each step alone and after all steps at once** (in "
        f"brackets: at once against the sum of the steps), with 95 % intervals over {_sample(chains)}: "
        f"{'. '.join(parts)}."
    )


def again_sentence(chains: Sequence[Chain]) -> str:
    """What tuning again one generation before the last is worth on the last, against the oldest plug-in."""
    words = _by_size(chains, lambda c: c.accuracy[c.last - 1, c.last] - c.accuracy[0, c.last], ("above", "below"))
    return f"**On the last generation, a plug-in tuned one generation before it, against the oldest:** {words}."


def left_sentence(chains: Sequence[Chain]) -> str:
    """Whether the oldest plug-in is still above zero-shot on the last generation."""
    words = _by_size(chains, lambda c: c.gain(0, c.last), ("above", "below"))
    return f"**The oldest plug-in on the last generation, against zero-shot there:** {words}."


def second_sentence(chains: Sequence[Chain]) -> str:
    """Whether a plug-in that has survived the first step loses less in the second than a fresh one.

    What the survivor loses in its second step: how much its shortfall grows.
    """

    def survivor(c: Chain) -> float:
        return c.shortfall(0, 2) - c.shortfall(0, 1)

    words = _by_size(chains, lambda c: survivor(c) - c.steps[1], ("more", "less"))
    return f"**In the second step, a plug-in that came through the first one loses, against a fresh one:** {words}."


def small_steps_sentence(chains: Sequence[Chain]) -> str:
    """Per method: the shortfall after one, two, … small updates, and all at once against their sum."""
    parts = []
    for name, own in by_method(chains).items():
        after = [with_interval(over_sets(own, _after(j))) for j in range(1, own[0].last + 1)]
        single = [f"{over_sets(own, _step(j)).mean:.1f}" for j in range(own[0].last)]
        excess = apart(over_sets(own, lambda c: c.excess), "more", "less")
        parts.append(
            f"{name} {', '.join(after)} (single updates {', '.join(single)}; at once, against their sum: {excess})"
        )
    last = chains[0].last
    return f"**Points below tuning there, after 1 to {last} small updates:** {'. '.join(parts)}."


def _sample(chains: Sequence[Chain]) -> str:
    """ "11 datasets with 3 seeds each"."""
    sets, seeds = {c.dataset for c in chains}, {c.seed for c in chains}
    return f"{datasets(len(sets))} with {len(seeds)} seed{'s' * (len(seeds) > 1)} each"


def _step(j: int) -> Measure:
    return lambda c: c.steps[j]


def _after(j: int) -> Measure:
    return lambda c: c.shortfall(0, j)


def _by_size(chains: Sequence[Chain], measure: Measure, words: tuple[str, str]) -> str:
    """ "linear probe 5.0 ± 1.2 points above, CoOp no difference seen (…)": from the largest to the smallest."""
    found = {name: over_sets(own, measure) for name, own in by_method(chains).items()}
    return ", ".join(f"{name} {apart(found[name], *words)}" for name in sorted(found, key=lambda n: -found[n].mean))
