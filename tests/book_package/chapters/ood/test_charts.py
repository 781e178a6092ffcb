"""The figures draw every method, and a method that loses far more than all others does not squash them."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.ood.charts import four_gains, losses
from clipcompat_book.chapters.ood.points import plain_points
from tests.book_package.chapters.ood.made import SEEDS, SETS, made, plain


def test_a_mark_is_a_method_on_a_set_and_a_faint_dot_a_seed():
    fig = losses(plain_points(plain(made("coop"), made("kgcoop", carried=13))))
    (mean,) = [trace for trace in fig.data if trace.name == "CoOp"]
    assert list(mean.x) == pytest.approx([5] * len(SETS)) and list(mean.y) == pytest.approx([8] * len(SETS))
    assert len(set(mean.marker.symbol)) == len(SETS)
    faint = next(trace for trace in fig.data if trace.legendgroup == "CoOp" and not trace.name)
    assert len(faint.x) == len(SETS) * len(SEEDS)
    assert {trace.name for trace in fig.data} >= {"objects-v2", "objects-r"} and "yaxis2" not in fig.layout


def test_a_method_that_loses_far_more_has_a_panel_of_its_own():
    fig = losses(plain_points(plain(made("linear_probe", carried=-50), made("coop"), made("kgcoop", carried=13))))
    panels = {trace.name: trace.yaxis for trace in fig.data if trace.name}
    assert (panels["linear probe"], panels["CoOp"], panels["KgCoOp"]) == ("y", "y2", "y2")


def test_one_method_alone_is_drawn():
    assert losses(plain_points(plain(made("coop")))).data


def test_four_gains_of_a_method_stand_on_old_and_on_new():
    fig = four_gains(plain_points(plain(made("coop"), made("kgcoop", tuned=6, shifted=5, carried=4, both=3))))
    marks = {trace.name: (list(trace.x), list(trace.y)) for trace in fig.data if trace.name}
    assert marks["old, source"][0] == pytest.approx([20, 6]) and marks["old, shifted"][0] == pytest.approx([15, 5])
    assert marks["new, source"][0] == pytest.approx([12, 4]) and marks["new, shifted"][0] == pytest.approx([8, 3])
    assert marks["old, source"][1] > marks["new, source"][1]
    assert list(fig.layout.yaxis.ticktext) == ["CoOp", "KgCoOp"]


def test_a_method_far_below_all_others_is_written_at_the_edge():
    low = made("linear_probe", carried=-50, both=-40, noise=0)
    fig = four_gains(plain_points(plain(low, made("coop"), made("kgcoop"))))
    assert [note.text for note in fig.layout.annotations] == ["◀ −50 and −40"]
    assert fig.layout.xaxis.range[0] > -20
    assert not four_gains(plain_points(plain(made("coop"), made("kgcoop")))).layout.annotations
