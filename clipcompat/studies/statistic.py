"""Numbers over seeds: mean, standard deviation, 95 % interval; paired differences, and the direction they have.

    gap = Statistic.paired({1: 71.0, 2: 73.5, 3: 72.0}, {1: 70.0, 2: 71.0, 3: 70.5})    # seed -> accuracy
    gap.mean, gap.interval, gap.direction    # 1.67, 1.90, "no difference seen"

Every statement that one thing is higher than another takes its direction from here, or over several datasets from
`Comparison`.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower", "no difference seen"]
DIRECTIONS: tuple[Direction, ...] = ("higher", "lower", "no difference seen")

_ROUNDING = 1e-9  # equal accuracies whose means were summed in another order differ by less


@dataclass(frozen=True)
class Statistic:
    """Mean, standard deviation (divisor n - 1), half-width of the 95 % t-interval, and n.

    sd and interval are None for n = 1.
    """

    mean: float
    sd: float | None
    interval: float | None
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> "Statistic | None":
        """None where there is no value (nothing was retrained)."""
        if not values:
            return None
        n = len(values)
        if n == 1:
            return Statistic(values[0], None, None, 1)
        sd = statistics.stdev(values)
        return Statistic(statistics.fmean(values), sd, t_quantile(n) * sd / math.sqrt(n), n)

    @staticmethod
    def paired(first: Mapping[int, float], second: Mapping[int, float]) -> "Statistic | None":
        """First minus second, seed by seed, over the seeds that both have; None where there is no such seed.

        A seed is one draw of training pictures, one start and one order of batches. What it does to both sides alike
        cancels in the difference.
        """
        return Statistic.of([first[seed] - second[seed] for seed in first if seed in second])

    @property
    def direction(self) -> Direction:
        """Of a difference: "higher" or "lower" where the 95 % interval leaves 0 out.

        One value has no interval, so that no difference is seen. The t-interval supposes that differences are roughly
        normal; with 5 seeds a single extreme one widens it so far that it says nothing, and more seeds are needed.
        """
        return find_direction(self.mean, self.interval)


def find_direction(mean: float, interval: float | None) -> Direction:
    """Of a difference with half the width of its interval; without an interval, no difference is seen."""
    if interval is None or abs(mean) <= max(interval, _ROUNDING):
        return "no difference seen"
    return "higher" if mean > 0 else "lower"


def t_quantile(n: int) -> float:
    """How many standard errors half of a 95 % interval is, for n > 1 values."""
    from scipy.special import stdtrit  # what scipy.stats.t.ppf calls; scipy.stats takes three times as long to load

    return float(stdtrit(n - 1, 0.975))
