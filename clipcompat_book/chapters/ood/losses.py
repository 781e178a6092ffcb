"""What the points say, in tables: gains, what a shift and the upgrade take of them, and whether the two go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from clipcompat.runs.papers.reproduction import provenance
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.ood.points import Measure, Point, by_method, mean_over_sets
from clipcompat_book.chapters.ood.relation import at_equal_gain, of_losses, relation, within_methods
from clipcompat_book.means import groups
from clipcompat_book.words import short_name, with_interval

_SEEN = "On sets: on how many the 95 % interval over seeds leaves 0 out."


def gains_table(points: Sequence[Point], records: Sequence[Record] = ()) -> Table:
    """Points above zero-shot, before and after a shift and the upgrade: one row per method.

    records: those that the points are of; on hover, a row says with which seeds, devices and versions they were made.
    """
    shown = ("tuned", "shifted", "carried", "both")
    rows = [
        (name, *(with_interval(mean_over_sets(own, attrgetter(gain)), "+") for gain in shown))
        for name, own in by_method(points).items()
    ]
    columns = ("method", "old, source", "old, shifted", "new, source", "new, shifted")
    caption = "Points above zero-shot, mean of the shifted sets ± half of the 95 % interval over sets and seeds. "
    caption += "Source: its pictures of each set's classes."
    return Table(columns, tuple(rows), caption, _hover(rows, records))


def _hover(rows: Sequence[Sequence[str]], records: Sequence[Record]) -> tuple[str, ...]:
    """How the records of each row's method with its default settings were made; none without records."""
    made = groups((r for r in records if r.is_plain), lambda r: r.titles.method)
    return tuple(provenance(made[title]) if title in made else "" for title, *_ in rows) if made else ()


def lost_table(points: Sequence[Point], records: Sequence[Record] = ()) -> Table:
    """What of every method's gain is lost under the shift and in the upgrade, and on how many sets that is seen.

    records: as for `gains_table`.
    """
    measures = (attrgetter("lost_by_shift"), attrgetter("lost_by_upgrade"))
    columns = ("method", "lost by the shift", "on sets", "lost by the upgrade", "on sets")
    caption = (
        "Points of the gain over zero-shot, mean of the shifted sets ± half of the 95 % interval over sets and seeds. "
        f"By the shift: on old, against the source's pictures of the same classes; by the upgrade: on these. {_SEEN}"
    )
    rows = _by_size(points, measures, "won")
    return Table(columns, rows, caption, _hover(rows, records))


def both_table(points: Sequence[Point], records: Sequence[Record] = ()) -> Table:
    """What carried plug-ins are worth on shifted pictures: the cells that the paper does not show.

    records: as for `gains_table`.
    """
    columns = ("method", "above zero-shot", "on sets", "lost there − lost on the source", "on sets")
    caption = (
        "Carried to new and shifted: points above zero-shot there, and what the upgrade takes on shifted pictures "
        f"minus what it takes on the source's. {_SEEN}"
    )
    rows = _by_size(points, (attrgetter("both"), _cost_of_upgrade), "below")
    return Table(columns, rows, caption, _hover(rows, records))


def _cost_of_upgrade(point: Point) -> float:
    return (point.shifted - point.both) - point.lost_by_upgrade


def _by_size(points: Sequence[Point], measures: Sequence[Measure], below: str) -> tuple[tuple[str, ...], ...]:
    """One row per method, from the largest mean of the first measure to the smallest: each mean, and on how many sets.

    below: what a cell calls sets with the other sign.
    """
    methods = sorted(by_method(points).items(), key=lambda item: -mean_over_sets(item[1], measures[0]).mean)
    return tuple(
        (name, *(cell for m in measures for cell in (with_interval(mean_over_sets(own, m), "+"), _sets(own, m, below))))
        for name, own in methods
    )


def _sets(points: Sequence[Point], measure: Measure, below: str) -> str:
    """ "3 of 4, below on 1": on how many sets the interval over seeds is above 0, and below it."""
    by_set = groups(points, lambda point: point.dataset)
    found = [Statistic.of(list(map(measure, same))).direction for same in by_set.values()]
    above, lower = found.count("higher"), found.count("lower")
    return f"{above} of {len(found)}" + (f", {below} on {lower}" if lower else "")


def shallow_table(points: Sequence[Point], depth: Mapping[str, str]) -> Table:
    """Shallow methods, then deep ones, by the share of the mean gain that a shift and the upgrade leave.

    depth: method -> "shallow" or "deep".
    """
    rows = [
        (name, side, _share(own, "shifted"), _share(own, "carried"))
        for side in ("shallow", "deep")
        for name, own in by_method(points).items()
        if depth[name] == side
    ]
    caption = "Left of the gain on old, mean of the shifted sets and seeds; –: too small a gain."
    return Table(("method", "depth", "after the shift", "after the upgrade"), tuple(rows), caption)


def _share(points: Sequence[Point], measure: str) -> str:
    """The mean of a gain as a share of the mean gain on old; a gain of less than a point has no share."""
    tuned, left = (sum(getattr(p, gain) for p in points) / len(points) for gain in ("tuned", measure))
    return f"{round(100 * left / tuned)} %" if tuned >= 1 else "–"


def answer_table(points: Sequence[Point]) -> Table:
    """Whether what is lost by a shift and what is lost by the upgrade go together, over methods, sets and seeds."""
    plain, equal, within = of_losses(points), at_equal_gain(points), of_losses(within_methods(points))
    readings = {"losses": plain, "what is left, at equal gain": equal, "losses, among the seeds of one method": within}
    rows = tuple((name, f"{r.value:+.2f}", f"{r.low:+.2f} … {r.high:+.2f}", r.words) for name, r in readings.items())
    caption = (
        f"By a shift and by the upgrade: rank correlations over {plain.methods} methods and {plain.seeds} seeds, mean "
        f"of {len(plain.by_set)} shifted sets."
    )
    return Table(("", "correlation", "95 % interval", "in words"), rows, caption)


def relations_table(points: Sequence[Point]) -> Table:
    """Every reading of the question: all methods, and without the linear probe, which loses most."""
    others = [p for p in points if p.method != "linear probe"]
    by_shift, retrained = attrgetter("lost_by_shift"), attrgetter("below_retrained")
    readings = {
        "lost by the shift, lost by the upgrade": of_losses,
        "the same, among the seeds of one method": lambda own: of_losses(within_methods(own)),
        "left by the shift, left by the upgrade, at equal gain": at_equal_gain,
        "lost by the shift, below retraining on new": lambda own: relation(own, by_shift, retrained),
    }
    rows = [(name, str(reading(points)), str(reading(others))) for name, reading in readings.items()]
    sets = ", ".join(f"{short_name(n)} {r:+.2f}" for n, r in of_losses(points).by_set.items())
    caption = f"Rank correlations, in brackets 95 % intervals. The first one, set by set: {sets}."
    return Table(("", "all methods", "without the linear probe"), tuple(rows), caption)


def without_table(points: Sequence[Point]) -> Table:
    """On which method the answer hangs: the correlation, and that at equal gain, with one method left out at a time."""
    readings = (of_losses, at_equal_gain)
    whole = [reading(points).words for reading in readings]
    rows = []
    for name in by_method(points):
        found = [reading([p for p in points if p.method != name]) for reading in readings]
        cells = (
            f"{r.value:+.2f}" + (f" ({r.words})" if r.words != words else "")
            for r, words in zip(found, whole, strict=True)
        )
        rows.append((name, *cells))
    caption = (
        f"Rank correlations with one method left out. Of all methods: {whole[0]}, and at equal gain {whole[1]}; in "
        "brackets, a verdict that turns."
    )
    return Table(("left out", "of losses", "at equal gain"), tuple(rows), caption)
