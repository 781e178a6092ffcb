"""Many reports in one line: mean, standard deviation, 95 % interval and n over seeds."""

import statistics
from collections.abc import Sequence

from clipcompat.common.errors import ConfigError
from clipcompat.studies.report import Compatibility, harmonic_mean, kept_gain
from clipcompat.studies.statistic import Statistic

_FIELDS = ("old", "new", "zs_old", "zs_new", "retrained", "negative_flips")


def summary(reports: Sequence[Compatibility]) -> "dict[str, Statistic | float | None]":
    """Statistics of every field over seeds of one method on one dataset.

    `h_upgrade` is the H of the mean old and the mean new accuracy, not the mean of H. So do the papers' printed numbers
    fit: all 88 cells of DPC's table, and 153 of the 176 in ContCoOp's Tables 2 and 8 (averages left out). Of the other
    23, 22 lie below the H of their means by more than rounding explains, where the mean of the seeds' H would lie; one
    lies above it.
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
