"""Sentences on drift and on what it predicts, made from reports and records, so that they change when these do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.drift.curves import Curve, blocks, rank_correlation
from clipcompat_book.chapters.drift.losses import accuracies, correlation, lost
from clipcompat_book.means import of_method
from clipcompat_book.words import apart, datasets


def depth_sentence(curve: Curve, what: str) -> str:
    """How a measure goes with depth, over the blocks: Markdown. what: "the relative change of parameters"."""
    own = blocks(curve)
    means = [curve[block].mean for block in own]
    if not any(means):
        return f"{_capital(what)} is 0 in every block."
    rho = rank_correlation(range(len(own)), means)
    low, high = (own[means.index(extreme(means))] for extreme in (min, max))
    ends = f"lowest in {low} ({min(means):.3g}), highest in {high} ({max(means):.3g})"
    strict = rho is None or abs(rho) > _STRICT  # the words say it all
    return f"{_capital(what)} {_trend(rho)}: {ends}." + (
        "" if strict else f" Its rank correlation with depth is {rho:+.2f}."
    )


def shallow_sentence(curve: Curve, what: str) -> str:
    """Whether the first half of the blocks moved less than the second, as the paper says: Markdown."""
    own = [curve[block].mean for block in blocks(curve)]
    half = len(own) // 2
    shallow, deep = (sum(side) / len(side) for side in (own[:half], own[-half:]))
    if shallow == deep:
        verdict = "no difference: the paper's claim is neither supported nor refuted"
    else:
        verdict = "**agrees** with the paper's claim" if shallow < deep else "**disagrees** with the paper's claim"
    return f"{_capital(what)}: {shallow:.3g} in the first half of the blocks, {deep:.3g} in the second; this {verdict}."


def shallow_sentences(curves: Mapping[str, Curve]) -> str:
    """`shallow_sentence` of several measures, by what they are: a Markdown list."""
    return "\n".join(f"- {shallow_sentence(curve, what)}" for what, curve in curves.items())


def beside_sentence(curves: Mapping[str, Curve], upgrade: str, control: str, what: str) -> str:
    """The upgrade beside a control, at its first and last block: Markdown."""
    first, *_, last = blocks(curves[upgrade])
    ours, theirs = ([curves[name][block].mean for block in (first, last)] for name in (upgrade, control))
    return (
        f"{_capital(what)}, first and last block: {ours[0]:.3g} and {ours[1]:.3g} in {upgrade}. With {control}: "
        f"{theirs[0]:.3g} and {theirs[1]:.3g}."
    )


def cost_sentence(losses: Mapping[str, Comparison], method: str, way: str, beyond: str = "") -> str:
    """Where a loss or a gain is seen, and which loss is the largest of those that are seen: Markdown.

    way: "replaced" or "frozen". beyond: whose loss was taken off, such as "zero-shot".
    """
    worst = max(losses, key=lambda part: losses[part].mean)
    done = "becomes new in the old backbone" if way == "replaced" else "stays old in the new backbone"
    whose = f", beyond what {beyond} loses" if beyond else ""
    words = f"**{method}**, where one part {done}{whose}:"
    if losses[worst].direction == "higher":
        words += f" the largest loss is that of {worst}, {apart(losses[worst], 'lost', 'gained')}."
    for direction, what in (("higher", "loss"), ("lower", "gain")):
        seen = {part: abs(gap.mean) for part, gap in losses.items() if gap.direction == direction}
        named = ", ".join(sorted(seen, key=seen.__getitem__, reverse=True))
        words += (
            f" A {what} is seen for {named}{', the largest first' * (len(seen) > 1)}."
            if seen
            else f" No {what} is seen for any part."
        )
    return words


def together_sentence(records: Sequence[Record], method: str) -> str:
    """What all parts together cost on old's pictures, against the sum of what each costs alone: Markdown."""
    mine = of_method(records, method)
    whole = Comparison.of(accuracies(mine, "none", "old"), accuracies(mine, "all", "old"))
    alone = sum(gap.mean for gap in lost(mine).values())
    return (
        f"All parts replaced at once, with old's pictures: {method} {apart(whole, 'lost', 'gained')}. "
        f"Each replaced alone: {alone:.1f} points, all taken together."
    )


def cost_sentences(ways: Mapping[str, Mapping[str, Comparison]], method: str, beyond: str = "") -> str:
    """`cost_sentence` of one method, for each way: a Markdown list."""
    return "\n".join(f"- {cost_sentence(losses, method, way, beyond)}" for way, losses in ways.items())


def prediction_sentence(
    records: Sequence[Record], drift: Mapping[str, float], method: str, what: str, way: str = "replaced"
) -> str:
    """Does the drift of a part predict what the plug-in loses there? Over blocks alone, and over all parts: Markdown.

    Rank correlations, with their intervals over datasets.
    """
    losses = lost(of_method(records, method), way)
    found = {
        "over blocks": correlation(losses, drift, blocks(drift)),
        "over all parts": correlation(losses, drift, drift),
    }
    told = [
        f"{_capital(where)} {_rho(one)}: {_MEANS[one.direction]}." for where, one in found.items() if one is not None
    ]
    words = f"{_capital(what)} and what **{method}** loses where a part {_DONE[way]}, as rank correlations"
    return f"{words}. {' '.join(told)}" if told else f"{words}: nothing varies."


_STRICT = 0.999
"""From this rank correlation on, the order is strict."""
_DONE = {"replaced": "becomes new", "frozen": "stays old"}
_MEANS = {
    "higher": "what moved more costs more",
    "lower": "what moved *less* costs more",
    "no difference seen": "no relation is seen",
}


def _rho(found: Statistic) -> str:
    interval = "" if found.interval is None else f" ± {found.interval:.2f}"
    return f"{found.mean:+.2f}{interval} over {datasets(found.n)}"


def _trend(rho: float | None) -> str:
    if rho is None:
        return "does not vary with depth"
    if abs(rho) > _STRICT:
        return "rises from block to block" if rho > 0 else "falls from block to block"
    if abs(rho) >= 0.5:
        return "tends to rise with depth" if rho > 0 else "tends to fall with depth"
    return "has no clear trend with depth"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
