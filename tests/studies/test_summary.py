"""Mean, standard deviation and t-interval, against a textbook's numbers and against Student's density."""

from __future__ import annotations

import math

import pytest

from clipcompat.common.errors import ConfigError
from clipcompat.studies.report import Compatibility, harmonic_mean
from clipcompat.studies.statistic import Statistic
from clipcompat.studies.summary import summary


def report(seed, old, new, retrained=90.0, method="coop", dataset="toys") -> Compatibility:
    return Compatibility(method, dataset, seed, old, new, 40.0, 50.0, retrained, 5.0)


def test_three_seeds_by_hand():
    s = summary([report(1, 80.0, 70.0), report(2, 82.0, 74.0), report(3, 87.0, 72.0)])
    assert s["old"].mean == pytest.approx(83.0) and s["old"].n == 3
    assert s["old"].sd == pytest.approx(math.sqrt((9 + 1 + 16) / 2))
    assert s["old"].interval == pytest.approx(4.302653 * math.sqrt(13 / 3), rel=1e-4)
    assert s["new"] == Statistic(72.0, 2.0, pytest.approx(4.302653 * 2 / math.sqrt(3), rel=1e-4), 3)
    assert s["kept_gain"] == pytest.approx((72 - 50) / (90 - 50))
    assert s["zs_old"].sd == 0.0 and s["zs_old"].interval == 0.0


def test_h_is_that_of_the_means():
    reports = [report(1, 90.0, 10.0), report(2, 10.0, 90.0)]
    assert summary(reports)["h_upgrade"] == pytest.approx(50.0)
    assert harmonic_mean(90, 10) == pytest.approx(18.0)  # which the mean of the H would be


def test_one_seed_has_no_spread():
    s = summary([report(1, 80.0, 70.0)])
    assert s["old"] == Statistic(80.0, None, None, 1)


def test_kept_gain_is_that_of_the_means_over_seeds_with_retraining():
    s = summary([report(1, 80.0, 70.0), report(2, 80.0, 40.0, retrained=50.5), report(3, 80.0, 0.0, retrained=None)])
    assert s["kept_gain"] == pytest.approx((55 - 50) / (70.25 - 50)) and s["retrained"].n == 2
    assert summary([report(1, 80.0, 70.0, retrained=50.5)])["kept_gain"] is None  # below a point
    nothing = summary([report(1, 80.0, 70.0, retrained=None)])
    assert nothing["kept_gain"] is None and nothing["retrained"] is None


@pytest.mark.parametrize("other", [{"method": "contcoop"}, {"dataset": "others"}])
def test_a_mixture_is_refused(other):
    with pytest.raises(ConfigError, match="one method on one dataset"):
        summary([report(1, 80.0, 70.0), report(2, 80.0, 70.0, **other)])


def test_nothing_is_refused():
    with pytest.raises(ConfigError, match="no reports"):
        summary([])


@pytest.mark.parametrize("freedom", [*range(1, 31), 40, 100])
def test_the_quantiles_leave_five_percent_outside(freedom):
    """The tail beyond each quantile, by Simpson's rule over Student's density with x = tan(angle)."""
    constant = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
    quantile = Statistic.of([-1.0, 1.0] + [0.0] * (freedom - 1))
    start, n = math.atan(quantile.interval / quantile.sd * math.sqrt(quantile.n)), 2000
    step = (math.pi / 2 - start) / n

    def density(angle: float) -> float:
        x = math.tan(angle)
        return constant * (1 + x * x / freedom) ** (-(freedom + 1) / 2) * (1 + x * x)

    ordinates = [density(start + i * step) for i in range(n)]
    ordinates.append(1 / math.pi if freedom == 1 else 0.0)  # the limit at infinity
    weights = [1, *([4, 2] * (n // 2))[: n - 1], 1]
    tail = step / 3 * sum(w * y for w, y in zip(weights, ordinates, strict=True))
    assert tail == pytest.approx(0.025, abs=1e-6)
