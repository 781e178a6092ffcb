"""Figures of drift show the numbers of reports and records, and nothing else."""

from __future__ import annotations

import pytest

from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.drift import charts
from clipcompat_book.chapters.drift.curves import by_part, features, panels, parameters
from clipcompat_book.chapters.drift.losses import by_method, step_lines
from clipcompat_book.show import METHOD_COLOURS, NEW, OLD
from tests.book_package.chapters.drift.made import drift, swap_record
from tests.book_package.test_means import report

COSTS = {"positions": 4, "block 1": 3}
SWAPS = [swap_record(COSTS), swap_record({}, method="zero_shot")]


def drawn(fig, name, axis="x") -> dict:
    (trace,) = [t for t in fig.data if t.name == name and (t.xaxis or "x") == axis]
    return dict(zip(trace.x, trace.y, strict=True))


def test_layers_stand_in_order_with_the_numbers_of_the_curve():
    fig = charts.layer_panels(
        panels({"the upgrade": [drift()], "random weights": [drift()]}, {"p": parameters(), "f": features()})
    )
    assert drawn(fig, "the upgrade") == pytest.approx({"emb": 0.1, "1": 0.1, "2": 0.2, "3": 0.3, "head": 0.1})
    assert list(drawn(fig, "the upgrade", "x2")) == ["emb", "1", "2", "3", "out"]
    colours = {t.name: t.line.color for t in fig.data}
    assert colours["the upgrade"] == NEW != colours["random weights"]
    assert [note.text for note in fig.layout.annotations] == ["p", "f"]


def test_the_answer_has_old_and_new_of_every_method_beside_the_curves():
    fig = charts.answer(
        [report("coop", 80, 60), report("linear_probe", 70, 20), report("zero_shot")], {"b": {}, "c": {}}
    )
    rows = dict(zip(fig.layout.yaxis.ticktext, fig.layout.yaxis.tickvals, strict=True))
    ends = {trace.y[0]: tuple(trace.x) for trace in fig.data}
    assert ends == {rows["linear probe"]: (70, 20), rows["CoOp"]: (80, 60)}
    assert tuple(fig.data[0].marker.color) == (OLD, NEW) and len(fig.layout.annotations) == 3


def test_losses_are_drawn_per_method_and_part():
    fig = charts.loss_rows({"left": by_method(SWAPS, ("CoOp", "zero-shot"), "replaced")})
    assert drawn(fig, "CoOp") == pytest.approx({"tok": 0, "pos": 4, "1": 3, "2": 0, "3": 0, "head": 0})
    assert {t.name: t.line.color for t in fig.data} == {
        "CoOp": METHOD_COLOURS["coop"],
        "zero-shot": METHOD_COLOURS["zero_shot"],
    }


def test_drift_stands_against_loss_part_by_part():
    fig = charts.drift_against_loss(by_part(drift()), by_method(SWAPS, ("CoOp",), "replaced"), "moved")
    (dots,) = fig.data
    assert dict(zip(dots.text, zip(dots.x, dots.y, strict=True), strict=True))["pos"] == pytest.approx((0.5, 4))
    assert fig.layout.xaxis.title.text == "moved" and len(dots.x) == 6
    assert {note.text: note.x for note in fig.layout.annotations} == dict(zip(dots.text, dots.x, strict=True))


def test_names_of_near_parts_stand_above_each_other():
    moved = {"tokens": 0.1, "block 1": 0.2, "block 2": 0.2, "block 3": 0.201, "head": 0.6}
    costs = {"coop": {part: Statistic(1.0, 1.0, 0.5, 3) for part in moved}}
    notes = {note.text: note.yshift for note in charts.drift_against_loss(moved, costs, "moved").layout.annotations}
    assert notes["tok"] == notes["head"] == notes["1"]
    assert notes["2"] >= notes["1"] + 15 and notes["3"] >= notes["2"] + 15


def test_steps_are_coloured_by_pictures_and_dotted_for_zero_shot():
    fig = charts.steps({"from the input": step_lines(SWAPS, ("CoOp", "zero-shot"), "up to")})
    assert list(drawn(fig, "old pictures")) == ["none", "tok", "pos", "1", "2", "3", "head"]
    assert drawn(fig, "old pictures")["head"] == pytest.approx(80 - 7 - 0.15)
    lines = {t.name: (t.line.color, t.line.dash) for t in fig.data}
    assert lines["old pictures"] == (OLD, "solid") and lines["new pictures, zero-shot"] == (NEW, "dot")


def test_positions_are_bars_with_the_ends_of_prompts_marked():
    fig = charts.position_bars([0.1, 0.4, 0.2], 8, 16)
    assert list(fig.data[0].y) == [0.1, 0.4, 0.2]
    marks = {note.text: line.x0 for note, line in zip(fig.layout.annotations, fig.layout.shapes, strict=True)}
    assert marks == {"zero-shot ends": 8.5, "context ends": 16.5}
