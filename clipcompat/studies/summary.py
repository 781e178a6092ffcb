"""Many reports in one line: mean, standard deviation, 95 % interval and n over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from clipcompat.common.errors import ConfigError
from clipcompat.studies.accuracy import harmonic_mean
from clipcompat.studies.compatibility import Compatibility, kept_gain

# 97.5 % quantiles of Student's t for 1 … 30 degrees of freedom; beyond, the normal's 1.96 is within 4 %
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_FIELDS = ("old", "new", "zs_old", "zs_new", "retrained", "negative_flips")


@dataclass(frozen=True)
class Statistic:
    """mean, sd (n - 1 below), half-width of the 95 % t-interval, and n; sd and interval are None for n = 1."""

    mean: float
    sd: float | None
    interval: float | None
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> Statistic | None:
        """None where there is no value (nothing was retrained)."""
        if not values:
            return None
        n = len(values)
        if n == 1:
            return Statistic(values[0], None, None, 1)
        sd = statistics.stdev(values)
        return Statistic(statistics.fmean(values), sd, (_T[n - 2] if n <= 31 else 1.96) * sd / math.sqrt(n), n)


def summary(reports: Sequence[Compatibility]) -> dict[str, Statistic | float | None]:
    """Statistics of every field over seeds of one method on one dataset.

    `h_upgrade` is the H of the mean old and the mean new accuracy, as both papers print it, not the mean of H; in the
    same way `kept_gain` is that of the means, over the seeds with retraining: a mean of ratios would be ruled by the
    seed in which retraining gains least.
    """
    if not reports:
        raise ConfigError("there are no reports to summarise.")
    subjects = {(r.method, r.dataset) for r in reports}
    if len(subjects) > 1:
        raise ConfigError(f"a summary is over seeds of one method on one dataset; these are {sorted(subjects)}.")
    values = {f: [v for r in reports if (v := getattr(r, f)) is not None] for f in _FIELDS}
    found: dict[str, Statistic | float | None] = {f: Statistic.of(v) for f, v in values.items()}
    found["h_upgrade"] = harmonic_mean(statistics.fmean(values["old"]), statistics.fmean(values["new"]))
    both = [(r.new, r.zs_new, r.retrained) for r in reports if r.retrained is not None]
    found["kept_gain"] = kept_gain(*map(statistics.fmean, zip(*both, strict=True))) if both else None
    return found
