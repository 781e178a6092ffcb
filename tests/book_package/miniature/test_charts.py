"""Figures of how the miniature was made draw the lines of its logs."""

from __future__ import annotations

import pytest

from clipcompat_book.miniature.charts import pretraining_curves, trial_lines, word_strips
from clipcompat_book.show import METHOD_COLOURS, NEW, OLD


def test_words_are_dots_on_a_logarithmic_axis_that_has_a_zero():
    fig = word_strips({"common": {"red": 1800, "blue": 20}, "unseen": {"jet": 0}}, "captions")
    common, unseen = fig.data
    assert list(common.x) == [1800, 20] and [word for word, _ in common.customdata] == ["red", "blue"]
    axis = fig.layout.xaxis
    zero = dict(zip(axis.ticktext, axis.tickvals, strict=True))["0"]
    assert axis.type == "log" and list(unseen.x) == [zero] and 0 < zero < 1 and axis.tickvals[-1] >= 1800
    assert list(fig.layout.yaxis.ticktext) == ["common", "unseen"] and max(unseen.y) < min(common.y)


def line(step: int, value: float) -> dict:
    return {"step": step, "colour": value, "shape": value + 1, "texture": value + 2, "backdrop": value + 3}


def test_curves_have_a_facet_for_every_run_and_mark_where_captions_begin():
    fig = pretraining_curves({"old 1": [line(0, 8), line(7500, 90)], "new 1": [line(0, 5)]}, captions_from=3500)
    assert [title.text for title in fig.layout.annotations] == ["old 1", "new 1"]
    first, *_ = fig.data
    assert list(first.x) == [0, 7500] and list(first.y) == [8, 90] and first.name == "colour"
    assert {trace.line.color for trace in fig.data[:4]} == {OLD} and {t.line.color for t in fig.data[4:]} == {NEW}
    assert len({trace.line.dash for trace in fig.data}) == 4, "told apart without colour"
    assert sum(bool(trace.showlegend) for trace in fig.data) == 4
    assert [shape.x0 for shape in fig.layout.shapes] == [3500, 3500]


@pytest.mark.parametrize("runs", [0, 1, 3])
def test_any_number_of_runs_can_be_drawn(runs):
    fig = pretraining_curves({f"old {k}": [line(0, 8)] for k in range(runs)}, 10)
    assert len(fig.data) == 4 * runs


def test_trials_are_dots_and_their_means_a_line():
    trials = [
        {"method": m, "lr": lr, "val": val + seed, "dataset": "mini/dev-neon", "seed": seed}
        for m, lr, val in [("coop", 0.01, 60), ("coop", 0.1, 70), ("contcoop", 0.01, 50)]
        for seed in (0, 2)
    ]
    fig = trial_lines(trials)
    means = {trace.name: trace for trace in fig.data if trace.name}
    assert list(means["CoOp"].x) == [0.01, 0.1] and list(means["CoOp"].y) == [61, 71]
    assert list(means["ContCoOp"].y) == [51] and means["ContCoOp"].line.color == METHOD_COLOURS["contcoop"]
    assert sorted(fig.data[0].y) == [60, 62, 70, 72] and fig.layout.xaxis.type == "log"
    assert fig.layout.legend.orientation == "h"
    assert list(fig.layout.xaxis.ticktext) == ["0.01", "0.1"]
