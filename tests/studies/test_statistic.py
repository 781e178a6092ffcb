"""A direction is that of a paired 95 % interval; without one, no difference is seen."""

from __future__ import annotations

import pytest
import scipy.stats

from clipcompat.studies.statistic import Statistic

FIRST, SECOND = {1: 71.0, 2: 73.5, 3: 72.0, 4: 70.0}, {1: 70.0, 2: 71.0, 3: 70.5, 9: 0.0}


def test_a_difference_is_paired_over_the_seeds_that_both_have():
    gap = Statistic.paired(FIRST, SECOND)
    low, high = scipy.stats.ttest_rel([71.0, 73.5, 72.0], [70.0, 71.0, 70.5]).confidence_interval(0.95)
    assert gap.n == 3 and (gap.mean - gap.interval, gap.mean + gap.interval) == pytest.approx((low, high))
    assert Statistic.paired(FIRST, {9: 1.0}) is None


@pytest.mark.parametrize(
    ("gaps", "direction"),
    [
        ([1.0, 2.0, 1.5, 1.2, 1.8], "higher"),
        ([-1.0, -2.0, -1.5, -1.2, -1.8], "lower"),
        ([0.1, 0.12, 0.11, 0.1, 0.13], "higher"),
        ([30.0, 1.0, 2.0, 4.0, 1.0], "no difference seen"),
        ([30.0], "no difference seen"),
        ([0.0, 0.0], "no difference seen"),
        ([1e-13, 1e-13], "no difference seen"),
        ([-2.0, -2.0], "lower"),
    ],
)
def test_a_direction_is_seen_where_the_interval_leaves_zero_out(gaps, direction):
    """A large mean over few seeds is none, if one of them made it; a small one that every seed repeats is."""
    assert Statistic.of(gaps).direction == direction
