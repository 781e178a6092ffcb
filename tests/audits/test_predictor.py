"""Predictions are percentages with an interval that few pictures widen."""

from __future__ import annotations

import pytest

from clipcompat.audits.predictor import TOLD, UNTOLD, Predictor

HELD = Predictor(1.0, 0.0, 10.0, 3.0)
SIGNS = {"held": 0.64, "old": 0.8, "same": 0.7}


def test_a_predictor_that_only_reads_held_repeats_it():
    assert HELD.accuracy(SIGNS) == (pytest.approx(64), pytest.approx((54, 74)))


def test_fewer_pictures_widen_the_interval_and_it_ends_at_both_ends():
    widths = [high - low for _, (low, high) in (HELD.accuracy(SIGNS, n) for n in (10, 100, 10_000))]
    assert widths[0] > widths[1] > widths[2] > 20
    assert widths[1] == pytest.approx(2 * (100 + (196 * 0.048) ** 2) ** 0.5, rel=1e-3)
    for sure in (0.0, 1.0):
        share, (low, high) = HELD.accuracy({"held": sure, "old": 0.5, "same": 0.5}, 10)
        assert 0 <= low <= share <= high <= 100


def test_nothing_is_lost_where_no_answer_changes():
    for predictor in (TOLD, UNTOLD):
        assert predictor.accuracy({"held": 0.8, "old": 0.8, "same": 1.0})[0] == pytest.approx(80)


def test_what_is_not_told_makes_the_interval_wider():
    assert TOLD.error < UNTOLD.error and TOLD.typical < UNTOLD.typical
