"""What plug-ins add to zero-shot on a source and on its shifted sets, before and after an upgrade, and what they lose.

    points = points_of(committed_records("ood"))     # one per method, shifted set and seed
    points[0].lost_by_shift, points[0].lost_by_upgrade

All gains are points above zero-shot on the same pictures and the same backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat_book.means import groups
from clipcompat_book.words import method_titles


@dataclass(frozen=True)
class Point:
    """One plug-in and one shifted set, of whose classes all four gains are.

    method: its title. dataset: the shifted set. tuned: gain on old, on the source's pictures. shifted: on old, on the
    shifted ones. carried: on new, on the source's. both: on new, on the shifted ones. retrained: gain of training on
    new, on the source's pictures; None if nothing was.
    """

    method: str
    dataset: str
    seed: int
    tuned: float
    shifted: float
    carried: float
    both: float
    retrained: float | None

    @property
    def lost_by_shift(self) -> float:
        """How much of the gain is not there on the shifted pictures."""
        return self.tuned - self.shifted

    @property
    def lost_by_upgrade(self) -> float:
        """How much of the gain is not there on the new backbone."""
        return self.tuned - self.carried

    @property
    def below_retrained(self) -> float:
        """What was lost by the upgrade against retraining there, whose zero-shot is the same."""
        return self.retrained - self.carried


Measure = Callable[[Point], float]


def points_of(records: Sequence[Record]) -> list[Point]:
    """A point for each method, shifted set and seed of records of the study "ood", zero-shot left out.

    Methods are in the order of the registry, sets in that of the records.
    """
    tuned = [record for record in records if record.method != "zero_shot"]
    by_title = groups(tuned, lambda record: record.titles.method)
    return [
        _point(title, row["seed"], shift)
        for title in method_titles(tuned)
        for record in by_title[title]
        for row in record.per_seed
        for shift in row["shifts"]
    ]


def plain_points(records: Sequence[Record]) -> list[Point]:
    """The same of methods with default settings, so that no method counts twice."""
    return points_of([record for record in records if record.is_plain])


def mean_over_sets(points: Iterable[Point], measure: Measure) -> Comparison:
    """A difference that every point has in itself, over shifted sets and seeds of one method."""
    own = {("", p.dataset, p.seed): measure(p) for p in points}
    return Comparison.of(own, dict.fromkeys(own, 0.0))


def by_method(points: Iterable[Point]) -> dict[str, list[Point]]:
    """Method -> its points."""
    return groups(points, lambda point: point.method)


def _point(title: str, seed: int, shift: dict) -> Point:
    there, source = shift["there"], shift["source"]
    again = source["retrained"]
    return Point(
        method=title,
        dataset=shift["dataset"],
        seed=seed,
        tuned=source["old"] - source["zs_old"],
        shifted=there["old"] - there["zs_old"],
        carried=source["new"] - source["zs_new"],
        both=there["new"] - there["zs_new"],
        retrained=None if again is None else again - source["zs_new"],
    )
