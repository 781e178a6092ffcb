"""Gains and losses are differences to zero-shot on the same pictures and backbone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat_book.chapters.ood.points import mean_over_sets, plain_points, points_of
from tests.book_package.chapters.ood.made import SEEDS, SETS, made, plain


def test_a_point_has_the_four_gains_and_what_is_lost():
    points = points_of(plain(made(noise=0)))
    assert len(points) == len(SETS) * len(SEEDS)
    first = points[0]
    assert (first.method, first.dataset, first.seed) == ("CoOp", SETS[0], 1)
    assert (first.tuned, first.shifted, first.carried, first.both, first.retrained) == (20, 15, 12, 8, 20)
    assert (first.lost_by_shift, first.lost_by_upgrade, first.below_retrained) == (5, 8, 8)


def test_zero_shot_has_no_points_and_methods_are_in_the_registrys_order():
    points = points_of(plain(made("contcoop"), made("zero_shot"), made("coop")))
    assert list(dict.fromkeys(p.method for p in points)) == ["CoOp", "ContCoOp"]
    assert points_of(plain(made("coop", retrained=None)))[0].retrained is None


def test_a_changed_setting_is_no_method_of_its_own_among_plain_points():
    (one,) = plain(made("contcoop"))
    other = made("contcoop")
    other = replace(other, titles=replace(other.titles, label="contcoop (n_ctx=4)"))
    assert {p.method for p in plain_points([one, other])} == {"ContCoOp"} and len(points_of([one, other])) == 24


def test_a_mean_over_sets_has_an_interval_over_sets_and_seeds():
    gap = mean_over_sets(points_of(plain(made(noise=0.1))), lambda p: p.shifted)
    assert gap.mean == pytest.approx(15) and gap.interval > 0 and set(gap.by_dataset) == set(SETS)
