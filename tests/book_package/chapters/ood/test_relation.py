"""Rank correlations against scipy's and against regression on ranks; intervals that hold what they should."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from clipcompat.common.errors import ConfigError
from clipcompat_book.chapters.ood.points import Point
from clipcompat_book.chapters.ood.relation import at_equal_gain, of_losses, relation, within_methods


def points(methods=6, seeds=4, sets=2, of=lambda random, tuned: random.normal(size=3)) -> list[Point]:
    random = np.random.default_rng(5)
    made = []
    for dataset in range(sets):
        for method in range(methods):
            for seed in range(seeds):
                tuned = float(random.normal(10, 4))
                shifted, carried, both = map(float, of(random, tuned))
                made.append(Point(f"m{method}", f"s{dataset}", seed, tuned, shifted, carried, both, None))
    return made


def by_hand(own, first, second, given=None) -> float:
    x, y = ([getattr(p, name) for p in own] for name in (first, second))
    if given is None:
        return spearmanr(x, y).statistic
    z = rankdata([getattr(p, given) for p in own])
    left = [side - np.polyval(np.polyfit(z, side, 1), z) for side in (rankdata(x), rankdata(y))]
    return pearsonr(*left).statistic


@pytest.mark.parametrize(
    ("correlation", "measures"),
    [(of_losses, ("lost_by_shift", "lost_by_upgrade")), (at_equal_gain, ("shifted", "carried", "tuned"))],
)
def test_it_is_the_mean_of_the_sets_rank_correlations(correlation, measures):
    made = points()
    found = correlation(made)
    expected = {name: by_hand([p for p in made if p.dataset == name], *measures) for name in ("s0", "s1")}
    assert found.by_set == pytest.approx(expected) and found.value == pytest.approx(fmean(expected.values()))
    assert (found.methods, found.seeds) == (6, 4) and found.low < found.value < found.high


def test_losses_that_share_their_beginning_alone_go_together_and_not_at_equal_gain():
    """What is left after the shift and after the upgrade is unrelated; both losses begin with the same gain."""
    made = points(methods=40, of=lambda random, tuned: random.normal(0, 1, size=3))
    assert of_losses(made).words == "they go together" and of_losses(made).value > 0.8
    assert at_equal_gain(made).words == "no relation seen"


def test_gains_that_are_left_together_go_together_at_equal_gain_too():
    def together(random, tuned):
        left = tuned + random.normal(0, 3)
        return left, left + random.normal(0, 0.3), 0.0

    assert at_equal_gain(points(methods=20, of=together)).words == "they go together"


def test_opposite_losses_are_told_so():
    made = points(methods=20, of=lambda random, tuned: (tuned - (x := random.normal()), tuned + x, 0.0))
    found = of_losses(made)
    assert found.value == pytest.approx(-1) and found.words == "one goes against the other"
    assert str(found) == "-1.00 (-1.00 … -1.00)"


def test_few_methods_make_a_wide_interval_however_many_seeds_there_are():
    narrow, wide = (at_equal_gain(points(methods=n, seeds=k)) for n, k in ((40, 2), (4, 20)))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_a_set_that_is_harder_for_all_is_no_relation():
    made = points(methods=20, of=lambda random, tuned: random.normal(size=3))
    harder = [replace(p, shifted=p.shifted - 50) if p.dataset == "s1" else p for p in made]
    assert of_losses(harder).value == of_losses(made).value


def test_within_methods_the_methods_own_means_are_gone():
    """Two methods far apart on both sides, whose seeds go against each other."""
    made = points(methods=10, of=lambda random, tuned: (0.0, 0.0, 0.0))
    apart = [
        replace(p, tuned=0.0, shifted=100 * int(p.method[1:]) + p.seed, carried=100 * int(p.method[1:]) - p.seed)
        for p in made
    ]
    assert of_losses(apart).words == "they go together"
    assert of_losses(within_methods(apart)).value < -0.9


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ConfigError, match="three or more, not 2"):
        of_losses(points(methods=2))
    with pytest.raises(ConfigError, match="lack some seeds on s1"):
        of_losses(points()[:-1])
    with pytest.raises(ConfigError, match="the same for all"):
        of_losses(points(of=lambda random, tuned: (tuned, random.normal(), 0.0)))


def test_a_gain_that_is_equal_anyway_changes_nothing():
    made = [replace(p, tuned=10.0) for p in points()]
    assert at_equal_gain(made).by_set == pytest.approx(relation(made, lambda p: p.shifted, lambda p: p.carried).by_set)
