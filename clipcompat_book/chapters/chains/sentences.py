"""What chains say, in sentences whose directions come from intervals: Markdown, and it changes with the records."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat_book.chapters.chains.steps import Chain, Measure, by_method, over_sets
from clipcompat_book.words import by_direction, datasets


def records_sentence(chains: Sequence[Chain]) -> str:
    """Which methods, datasets and seeds the chains are of."""
    generations = chains[0].last + 1
    return f"In the records: {', '.join(by_method(chains))}, on {sample(chains)}, over {generations} generations."


def answer_sentence(chains: Sequence[Chain]) -> str:
    """For which methods all steps at once lose what they lose singly, taken together."""
    words = _grouped(chains, lambda c: c.excess, ("more", "less"))
    return f"**All steps at once lose, against the sum of single steps:** {words}. (Over {sample(chains)}.)"


def again_sentence(chains: Sequence[Chain]) -> str:
    """What tuning again one generation before the last is worth on the last, against the oldest plug-in."""
    words = _grouped(chains, lambda c: c.accuracy[c.last - 1, c.last] - c.accuracy[0, c.last], ("above", "below"))
    return f"**On the last generation, a plug-in tuned one generation before it, against the oldest:** {words}."


def left_sentence(chains: Sequence[Chain]) -> str:
    """Whether the oldest plug-in is still above zero-shot on the last generation."""
    words = _grouped(chains, lambda c: c.gain(0, c.last), ("above", "below"))
    return f"**The oldest plug-in on the last generation, against zero-shot there:** {words}."


def second_sentence(chains: Sequence[Chain]) -> str:
    """Whether a plug-in that has survived the first step loses less in the second than a fresh one.

    What the survivor loses in its second step: how much its shortfall grows.
    """

    def survivor(c: Chain) -> float:
        return c.shortfall(0, 2) - c.shortfall(0, 1)

    words = _grouped(chains, lambda c: survivor(c) - c.steps[1], ("more", "less"))
    return f"**In the second step, a plug-in that came through the first one loses, against a fresh one:** {words}."


def sample(chains: Sequence[Chain]) -> str:
    """ "11 datasets with 3 seeds each"."""
    sets, seeds = {c.dataset for c in chains}, {c.seed for c in chains}
    return f"{datasets(len(sets))} with {len(seeds)} seed{'s' * (len(seeds) > 1)} each"


def _grouped(chains: Sequence[Chain], measure: Measure, words: tuple[str, str]) -> str:
    """ "above: linear probe; no difference seen: CoOp"."""
    return by_direction({name: over_sets(own, measure) for name, own in by_method(chains).items()}, *words)
