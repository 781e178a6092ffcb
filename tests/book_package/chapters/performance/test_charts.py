"""Charts of time and memory draw what was measured, and nothing that was not."""

from __future__ import annotations

import math

from clipcompat_book.chapters.performance.charts import growth_lines, ratio_dots, shot_lines
from clipcompat_book.chapters.performance.measurements import BUDGET, committed_performance
from clipcompat_book.show import INK, METHOD_COLOURS
from tests.measurements import performance

FOUND = performance()


def test_every_comparison_is_a_dot_and_extrapolated_ones_are_open():
    dots = [t for t in ratio_dots(FOUND).data if t.mode == "markers+text"]
    assert [(t.x[0], t.text[0], t.marker.symbol) for t in dots] == [
        (16, "16.0 ×", "circle"),
        (4, "4.0 ×", "circle"),
        (0.5, "0.5 ×", "circle"),
        (2, "2.0 ×", "circle"),
        (20, "20.0 ×", "circle-open"),
        (10, "10.0 ×", "circle"),
    ]
    assert [t.marker.color for t in dots[:2]] == [METHOD_COLOURS["coop"], METHOD_COLOURS["contcoop"]]
    assert (dots[0].error_x.arrayminus[0], dots[0].error_x.array[0]) == (10, 9)


def test_number_types_and_trainings_stand_apart_and_limits_are_ticks():
    fig = ratio_dots(FOUND)
    assert [a.text for a in fig.layout.annotations] == [
        "<b>a step at the text side, fp32</b>",
        "<b>a step at the text side, bf16</b>",
        "<b>pictures through the image tower, fp32</b>",
        "<b>a whole training, pictures included</b>",
    ]
    assert list(fig.layout.yaxis.ticktext)[:3] == [
        "CoOp,<br>47 classes",
        "ContCoOp,<br>1,000 classes",
        "CoOp,<br>47 classes",
    ]
    (ticks,) = (t for t in fig.data if t.name == "what arithmetic allows")
    assert list(ticks.x) == [2.0, 2.5] and list(ticks.customdata) == ["ContCoOp, 1,000 classes", "CLIP, 32 pictures"]
    low, high = fig.layout.xaxis.range
    assert low < math.log10(0.5) and high > math.log10(20)


def drawn(fig):
    return {t.name: (list(t.x), list(t.y), t.line.color) for t in fig.data}


def test_growth_has_both_methods_their_limits_and_the_plain_way():
    fig = growth_lines(FOUND)
    found, colour = drawn(fig), METHOD_COLOURS["coop"]
    assert found["CoOp"] == ([10, 100, 1000], [0.2, 1.1, 10.1], colour)
    assert found["CoOp, arithmetic limit"] == ([10, 100, 1000], [0.05, 0.5, 5.0], colour)
    assert found["CoOp, plain"] == ([10, 100], [0.5, 5.0], INK)
    assert found["ContCoOp"][1:] == ([0.5, 4.1, 40.1], METHOD_COLOURS["contcoop"])
    assert fig.layout.xaxis.type == fig.layout.yaxis.type == "log"


def test_memory_has_the_budget_instead_and_leaves_out_what_is_not_known():
    fig = growth_lines(FOUND, "classes", "memory_bytes")
    assert list(drawn(fig)) == ["CoOp, plain", "CoOp", "ContCoOp"]
    assert drawn(fig)["CoOp"][:2] == ([100, 1000], [1e8, 1e9])
    assert {shape.y0 for shape in fig.layout.shapes} == {BUDGET}
    assert [a.text for a in fig.layout.annotations] == ["budget 16.0 GB"]
    (fast,) = (t for t in fig.data if t.name == "CoOp")
    assert "2 × blocks, 1 × everything" in fast.customdata[-1][1]


def test_context_is_its_own_axis_and_has_no_plain_way_where_none_was_measured():
    fig = growth_lines(FOUND, "context")
    assert drawn(fig)["ContCoOp"][0] == [4, 56] and "CoOp, plain" not in drawn(fig)
    assert list(fig.layout.xaxis.ticktext) == ["4", "56"] and fig.layout.xaxis.title.text == "context tokens"


def test_a_training_is_drawn_with_pictures_without_them_and_with_its_limit():
    fig = shot_lines(FOUND)
    assert {name: (x, y) for name, (x, y, _) in drawn(fig).items()} == {
        "CoOp, from pictures": ([1, 16], [17.0, 272.0]),
        "CoOp, steps alone": ([1, 16], [1.0, 16.0]),
        "CoOp, arithmetic limit": ([1, 16], [9.5, 137.0]),
        "ContCoOp, from pictures": ([1, 16], [20.0, 320.0]),
        "ContCoOp, steps alone": ([1, 16], [4.0, 64.0]),
        "ContCoOp, arithmetic limit": ([1, 16], [12.5, 140.0]),
    }
    assert list(fig.layout.xaxis.ticktext) == ["1", "16"] and fig.layout.yaxis.title.text == "time of a training"


def test_the_memory_of_a_training_stands_above_what_has_to_be_kept():
    found = {name: y for name, (_, y, _) in drawn(shot_lines(FOUND, "memory_bytes")).items()}
    assert found == {
        "encoding pictures": [7e8, 7e8],
        "CoOp, steps": [4e8, 4e8],
        "ContCoOp, steps": [16e8, 16e8],
        "kept of pictures": [204_800, 3_276_800],
    }


def test_what_is_shipped_can_be_drawn():
    for found in committed_performance():
        assert len([t for t in ratio_dots(found).data if t.mode == "markers+text"]) == 13
        for sweep, what in (("classes", "seconds"), ("classes", "memory_bytes"), ("context", "seconds")):
            assert growth_lines(found, sweep, what).data
        assert len(shot_lines(found).data) == 6 and len(shot_lines(found, "memory_bytes").data) == 4
