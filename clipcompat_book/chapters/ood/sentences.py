"""What the points say, in sentences whose directions come from intervals: Markdown, and it changes with the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from clipcompat.studies.comparison import Comparison
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.ood.points import Point, by_method, mean_over_sets
from clipcompat_book.chapters.ood.relation import at_equal_gain, of_losses, within_methods
from clipcompat_book.means import groups
from clipcompat_book.words import with_interval

_TUNED, _LOST = attrgetter("tuned"), attrgetter("lost_by_upgrade")
Gap = Statistic | Comparison


def answer_sentence(points: Sequence[Point]) -> str:
    """Whether what is lost by a shift and what is lost by the upgrade go together, over methods, sets and seeds."""
    plain, equal, within = of_losses(points), at_equal_gain(points), of_losses(within_methods(points))
    sets = len(plain.by_set)
    return (
        "**Rank correlation of what is lost by a shift with what is lost by the upgrade,** over "
        f"{plain.methods} methods and {plain.seeds} seeds, mean of {sets} shifted sets: {plain}; {plain.words}. Among "
        f"plug-ins that gained equally on old, what is left: {equal}; {equal.words}. Among the seeds of one method: "
        f"{within}; {within.words}."
    )


def without_sentence(points: Sequence[Point]) -> str:
    """On which method the answer hangs: the correlation, and that at equal gain, with one method left out at a time."""
    names = list(by_method(points))
    told = []
    for correlation, what in ((of_losses, "The correlation"), (at_equal_gain, "That at equal gain")):
        everything = correlation(points).words
        others = {name: correlation([p for p in points if p.method != name]) for name in names}
        turns = [
            f"{own.words} without {name} ({own.value:+.2f})" for name, own in others.items() if own.words != everything
        ]
        low, high = (end(own.value for own in others.values()) for end in (min, max))
        verdict = "; ".join(turns) if turns else "its verdict stays"
        told.append(f"{what} lies between {low:+.2f} and {high:+.2f} with any one method left out: {verdict}.")
    return " ".join(told)


def lost_sentence(points: Sequence[Point]) -> str:
    """Which methods lose some of their gain under the shift, and which in the upgrade."""
    mine = by_method(points)
    shift = {name: mean_over_sets(own, attrgetter("lost_by_shift")) for name, own in mine.items()}
    upgrade = {name: mean_over_sets(own, _LOST) for name, own in mine.items()}
    words = {"higher": "lost", "no difference seen": "no loss seen", "lower": "more gain than before"}
    return (
        f"**Of the gain over zero-shot, in points: by a shift** (old, mean of the shifted sets against the source's "
        f"pictures of the same classes) {_listed(shift, words)}. **By the upgrade** (the source's pictures of the same "
        f"classes, new against old) {_listed(upgrade, words)}."
    )


def both_sentence(points: Sequence[Point]) -> str:
    """What carried plug-ins are worth on shifted pictures: the cells that the paper does not show."""
    mine = by_method(points)
    both = {name: mean_over_sets(own, attrgetter("both")) for name, own in mine.items()}
    more = {name: mean_over_sets(own, _cost_of_upgrade) for name, own in mine.items()}
    above = {"higher": "above it", "no difference seen": "no difference seen", "lower": "below it"}
    costs = {"higher": "more", "no difference seen": "no difference seen", "lower": "less"}
    return (
        f"**Carried to new and shifted, against zero-shot there,** in points, mean of the shifted sets: "
        f"{_listed(both, above)}. **What the upgrade takes on shifted pictures, against what it takes on the "
        f"source's:** {_listed(more, costs)}."
    )


def shallow_sentence(points: Sequence[Point], depth: Mapping[str, str]) -> str:
    """Shallow methods against deep ones, by the share of the mean gain that a shift and the upgrade leave.

    depth: method -> "shallow" or "deep".
    """
    parts = []
    for side in ("shallow", "deep"):
        own = {name: mine for name, mine in by_method(points).items() if depth[name] == side}
        shares = [f"{name} {_share(mine, 'shifted')} and {_share(mine, 'carried')}" for name, mine in own.items()]
        parts.append(f"{side}: {', '.join(shares)}")
    return f"**Left of the gain on old, after the shift and after the upgrade:** {'; '.join(parts)}."


def _cost_of_upgrade(point: Point) -> float:
    return (point.shifted - point.both) - point.lost_by_upgrade


def _share(points: Sequence[Point], measure: str) -> str:
    """The mean of a gain as a share of the mean gain on old; a gain of less than a point has no share."""
    tuned, left = (sum(map(gain, points)) / len(points) for gain in (_TUNED, attrgetter(measure)))
    return f"{round(100 * left / tuned)} %" if tuned >= 1 else "–"


def _listed(gaps: Mapping[str, Gap], words: Mapping[str, str]) -> str:
    """ "lost: CoOp 5.0 ± 1.2, …; no loss seen: …", in each group from the largest to the smallest."""
    by_direction = groups(sorted(gaps, key=lambda name: -gaps[name].mean), lambda name: gaps[name].direction)
    parts = []
    for direction, said in words.items():
        entries = [f"{name} {with_interval(gaps[name], '+')}" for name in by_direction.get(direction, ())]
        parts += [f"{said}: {', '.join(entries)}"] * bool(entries)
    return "; ".join(parts)
