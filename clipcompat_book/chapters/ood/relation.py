"""Do plug-ins that lose more under a shift lose more in an upgrade? Rank correlations, with intervals.

    related = of_losses(points)
    related.value, related.low, related.high     # 0.4, -0.2, 0.8

Ranks, because one method may lose ten times as much as another. On each shifted set all plug-ins (methods × seeds) are
ranked, and the correlation is the mean of those of the sets; so a hard set does not count as a relation.

Both losses begin with the same gain, that on the source before anything happened: who has gained more can lose more,
and its errors are in both. So two unrelated losses correlate. `at_equal_gain` takes that out: it asks whether, of
plug-ins that gained equally, those with more left under a shift have more left after the upgrade. What is left was
measured on other pictures, or on another backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean

import numpy as np
from scipy.stats import rankdata

from clipcompat.common.errors import ConfigError
from clipcompat_book.chapters.ood.points import Measure, Point
from clipcompat_book.means import groups

_DRAWS = 4_000
_SEED = 0


@dataclass(frozen=True)
class Relation:
    """A correlation from -1 to 1. low, high: its 95 % interval over methods and seeds. by_set: that of every set.

    The interval is of a bootstrap: methods are drawn with replacement, and seeds, the same for all methods, as a seed
    is one draw of training pictures. Few methods make it rough. Sets are not drawn.
    """

    value: float
    low: float
    high: float
    by_set: dict[str, float]
    methods: int
    seeds: int

    @property
    def words(self) -> str:
        """What the interval says."""
        if self.low > 0:
            return "they go together"
        return "one goes against the other" if self.high < 0 else "no relation seen"

    def __str__(self) -> str:
        return f"{self.value:+.2f} ({self.low:+.2f} … {self.high:+.2f})"


def of_losses(points: Sequence[Point]) -> Relation:
    """What is lost by the shift with what is lost by the upgrade."""
    return relation(points, attrgetter("lost_by_shift"), attrgetter("lost_by_upgrade"))


def at_equal_gain(points: Sequence[Point]) -> Relation:
    """What is left under the shift with what is left after the upgrade, at equal gain before: a partial correlation.

    Of values it would be that of the losses, as these are the gain before minus what is left. Of ranks it is not: ranks
    of two losses that are nearly the gain before still correlate where nothing else relates them.
    """
    return relation(points, attrgetter("shifted"), attrgetter("carried"), given=attrgetter("tuned"))


def relation(points: Sequence[Point], first: Measure, second: Measure, *, given: Measure | None = None) -> Relation:
    """The rank correlation of two measures over plug-ins.

    Args:
        points: each method with the same sets and seeds.
        given: a third measure, at whose equal rank the two are compared.

    Raises:
        ConfigError: fewer than three methods, or methods with different sets or seeds; or a measure that is the same
        for all plug-ins.
    """
    measures = [first, second] + ([given] if given else [])
    tables = _tables(points, measures)  # set -> [measure, method, seed]
    by_set = {name: float(_correlation(table.reshape(len(measures), 1, -1))[0]) for name, table in tables.items()}
    methods, seeds = next(iter(tables.values())).shape[1:]
    generator = np.random.default_rng(_SEED)
    drawn_methods = generator.integers(methods, size=(_DRAWS, methods, 1))
    drawn_seeds = generator.integers(seeds, size=(_DRAWS, 1, seeds))
    draws = np.mean(
        [
            _correlation(table[:, drawn_methods, drawn_seeds].reshape(len(measures), _DRAWS, -1))
            for table in tables.values()
        ],
        axis=0,
    )
    if not np.isfinite([*by_set.values()]).all():
        raise ConfigError("one of the two measures is the same for all plug-ins of a set, so nothing is related.")
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return Relation(fmean(by_set.values()), float(low), float(high), by_set, methods, seeds)


def _correlation(values: np.ndarray) -> np.ndarray:
    """[measure, draw, plug-in] -> [draw]: Spearman's, of two measures at a given third one if there is one.

    Not a number where a measure is the same for all plug-ins of a draw.
    """
    ranks = rankdata(values, axis=-1)
    ranks -= ranks.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        ranks /= np.linalg.norm(ranks, axis=-1, keepdims=True)
        x, y, *given = ranks
        both = (x * y).sum(-1)
        for z in map(np.nan_to_num, given):  # what is the same for all explains nothing
            with_x, with_y = (x * z).sum(-1), (y * z).sum(-1)
            both = (both - with_x * with_y) / np.sqrt((1 - with_x**2) * (1 - with_y**2))
    return both


def _tables(points: Sequence[Point], measures: Sequence[Measure]) -> dict[str, np.ndarray]:
    """Set -> [measure, method, seed]."""
    methods, seeds = (list(dict.fromkeys(getattr(p, part) for p in points)) for part in ("method", "seed"))
    if len(methods) < 3:
        raise ConfigError(f"a correlation over methods needs three or more, not {len(methods)}.")
    tables = {}
    for name, own in groups(points, lambda point: point.dataset).items():
        cells = {(p.method, p.seed): p for p in own}
        if len(cells) != len(methods) * len(seeds):
            raise ConfigError(f"some methods lack some seeds on {name}; make all records with the same seeds.")
        tables[name] = np.array([[[m(cells[method, s]) for s in seeds] for method in methods] for m in measures])
    return tables


def within_methods(points: Sequence[Point]) -> list[Point]:
    """The points with every method's mean over its seeds taken out, set by set: what is left is between its seeds."""
    gains = ("tuned", "shifted", "carried", "both")
    found = []
    for own in groups(points, lambda point: (point.method, point.dataset)).values():
        means = {gain: fmean(getattr(p, gain) for p in own) for gain in gains}
        found += [
            Point(p.method, p.dataset, p.seed, *(getattr(p, gain) - means[gain] for gain in gains), None) for p in own
        ]
    return found
