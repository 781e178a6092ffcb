"""What the points say, in sentences whose directions come from intervals: Markdown, and it changes with the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from clipcompat.methods import METHODS
from clipcompat.runs.records import Record
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.ood.points import Measure, Point, by_method, mean_over_sets
from clipcompat_book.chapters.ood.relation import at_equal_gain, of_losses, within_methods
from clipcompat_book.means import groups
from clipcompat_book.words import method_titles

_TUNED, _LOST = attrgetter("tuned"), attrgetter("lost_by_upgrade")


def records_sentence(records: Sequence[Record]) -> str:
    """Which methods the records have, and which are not made yet."""
    have = method_titles(records)
    missing = [kind.title for name, kind in METHODS.items() if name not in have.values()]
    seeds = sorted({len(record.per_seed) for record in records})
    rest = f" Not made yet: {', '.join(missing)}." if missing else ""
    return f"In the records: {', '.join(have)}, with {'/'.join(map(str, seeds))} seeds.{rest}"


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
    """What of every method's gain is lost under the shift and in the upgrade, and on how many sets that is seen."""
    words = {"higher": "lost", "lower": "won"}
    return (
        "**Of the gain over zero-shot, in points, mean of the shifted sets: by a shift** (on old, against the source's "
        f"pictures of the same classes) {_by_size(points, attrgetter('lost_by_shift'), words)}. **By the upgrade** "
        "(the source's pictures of the same classes, new against old) "
        f"{_by_size(points, _LOST, words)}. (Lost or won on a set: the 95 % interval over seeds leaves 0 out.)"
    )


def both_sentence(points: Sequence[Point]) -> str:
    """What carried plug-ins are worth on shifted pictures: the cells that the paper does not show."""
    above = {"higher": "above", "lower": "below"}
    cost = {"higher": "more", "lower": "less"}
    return (
        "**Carried to new and shifted, against zero-shot there,** in points, mean of the shifted sets: "
        f"{_by_size(points, attrgetter('both'), above)}. **What the upgrade takes on shifted pictures, against what it "
        f"takes on the source's:** {_by_size(points, _cost_of_upgrade, cost)}."
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


def _by_size(points: Sequence[Point], measure: Measure, words: Mapping[str, str]) -> str:
    """ "CoOp +5.9 (lost on 3 of 4, won on 1)", …: means over sets and seeds, from the largest to the smallest.

    words: direction -> what a sentence calls it.
    """
    told = []
    for name, own in sorted(by_method(points).items(), key=lambda item: -mean_over_sets(item[1], measure).mean):
        by_set = groups(own, lambda point: point.dataset)
        found = [Statistic.of(list(map(measure, same))).direction for same in by_set.values()]
        counts = [f"{said} on {found.count(how)}" for how, said in words.items() if how in found]
        told.append(
            f"{name} {mean_over_sets(own, measure).mean:+.1f} ({' and '.join(counts) or 'neither'} of {len(found)})"
        )
    return ", ".join(told)
