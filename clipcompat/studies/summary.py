"""Many reports in one line: mean, standard deviation, 95 % interval and n over seeds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from clipcompat.common.errors import ConfigError
from clipcompat.studies.report import Compatibility, harmonic_mean, kept_gain

_FIELDS = ("old", "new", "zs_old", "zs_new", "retrained", "negative_flips")


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
        from scipy.special import stdtrit  # what scipy.stats.t.ppf calls; scipy.stats takes three times as long to load

        sd = statistics.stdev(values)
        quantile = float(stdtrit(n - 1, 0.975))
        return Statistic(statistics.fmean(values), sd, quantile * sd / math.sqrt(n), n)


def summary(reports: Sequence[Compatibility]) -> "dict[str, Statistic | float | None]":
    """Statistics of every field over seeds of one method on one dataset.

    `h_upgrade` is the H of the mean old and the mean new accuracy, as both papers print it, not the mean of H.
    `kept_gain` is computed from means too, over the seeds with retraining. In a mean of ratios, the seed where
    retraining gains least would outweigh all others.

    Raises:
        ConfigError: no reports, or reports of several methods or datasets.
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
