"""Charts of time and memory draw what was measured, and nothing that was not."""

from __future__ import annotations

import math

from clipcompat.figures import INK, METHOD_COLOURS
from clipcompat.performance import BUDGET, committed_performance
from clipcompat.performance_charts import growth_panels, ratio_dots, shot_times
from tests.measurements import performance

FOUND = performance()


def test_every_comparison_is_a_dot_and_extrapolated_ones_are_open():
    dots = [t for t in ratio_dots(FOUND).data if t.mode == "markers+text"]
    assert [(t.x[0], t.text[0], t.marker.symbol) for t in dots] == [
        (16, "16.0 ×", "circle"), (4, "4.0 ×", "circle"), (0.5, "0.5 ×", "circle"),
        (20, "20.0 × (extrapolated)", "circle-open"), (10, "10.0 ×", "circle"),
    ]  # fmt: skip
    assert [t.marker.color for t in dots[:2]] == [METHOD_COLOURS["coop"], METHOD_COLOURS["contcoop"]]
    assert (dots[0].error_x.arrayminus[0], dots[0].error_x.array[0]) == (10, 9)


def test_number_types_and_trainings_stand_apart_and_limits_are_ticks():
    fig = ratio_dots(FOUND)
    assert [a.text for a in fig.layout.annotations] == [
        "<b>a step at the text side, fp32</b>", "<b>a step at the text side, bf16</b>",
        "<b>a whole training, pictures included</b>",
    ]  # fmt: skip
    assert list(fig.layout.yaxis.ticktext)[:3] == ["CoOp, 47 classes", "ContCoOp, 1,000 classes", "CoOp, 47 classes"]
    (ticks,) = (t for t in fig.data if t.name == "what arithmetic allows")
    assert list(ticks.x) == [2.0] and list(ticks.customdata) == ["ContCoOp, 1,000 classes"]
    low, high = fig.layout.xaxis.range
    assert low < math.log10(0.5) and high > math.log10(20)


def drawn(fig, axis="x"):
    return {(t.name, t.line.color): (list(t.x), list(t.y)) for t in fig.data if t.xaxis == axis and t.x[0] is not None}


def test_a_panel_has_plain_fast_and_the_limit_of_its_method():
    fig = growth_panels(FOUND)
    assert [a.text for a in fig.layout.annotations] == ["CoOp", "ContCoOp"]
    one, colour = drawn(fig), METHOD_COLOURS["coop"]
    assert one["fast", colour] == ([10, 100, 1000], [0.2, 1.1, 10.1])
    assert one["arithmetic limit", colour] == ([10, 100, 1000], [0.05, 0.5, 5.0])
    assert one["plain", INK] == ([10, 100], [0.5, 5.0])
    assert drawn(fig, "x2")["fast", METHOD_COLOURS["contcoop"]][1][-1] == 40.1
    assert fig.layout.xaxis.type == fig.layout.yaxis.type == "log"
    assert [t.name for t in fig.data if t.showlegend is not False] == ["plain", "fast", "arithmetic limit"]


def test_memory_has_the_budget_instead_and_leaves_out_what_is_not_known():
    fig = growth_panels(FOUND, "classes", "memory_bytes")
    assert drawn(fig)["fast", METHOD_COLOURS["coop"]] == ([100, 1000], [1e8, 1e9])
    assert {shape.y0 for shape in fig.layout.shapes} == {BUDGET}
    assert "budget 16.0 GB" in [a.text for a in fig.layout.annotations]
    assert "arithmetic limit" not in {t.name for t in fig.data}
    (fast,) = (t for t in fig.data if t.name == "fast" and t.xaxis == "x" and t.x[0])
    assert "2 × blocks, 1 × everything" in fast.customdata[-1][1]


def test_context_is_its_own_axis():
    fig = growth_panels(FOUND, "context")
    assert drawn(fig, "x2")["fast", METHOD_COLOURS["contcoop"]][0] == [4, 56]
    assert list(fig.layout.xaxis.ticktext) == ["4", "56"] and fig.layout.xaxis.title.text == "context tokens"


def test_trainings_are_two_lines_a_method():
    fig = shot_times(FOUND)
    assert [(t.name, list(t.y)) for t in fig.data] == [
        ("CoOp, from pictures", [1, 16]), ("CoOp, features kept", [1, 1]),
        ("ContCoOp, from pictures", [4, 64]), ("ContCoOp, features kept", [4, 4]),
    ]  # fmt: skip
    assert list(fig.layout.xaxis.ticktext) == ["1", "16"]


def test_what_is_shipped_can_be_drawn():
    for found in committed_performance():
        assert len([t for t in ratio_dots(found).data if t.mode == "markers+text"]) == 9
        for sweep, what in (("classes", "seconds"), ("classes", "memory_bytes"), ("context", "seconds")):
            assert growth_panels(found, sweep, what).data
        assert len(shot_times(found).data) == 4
