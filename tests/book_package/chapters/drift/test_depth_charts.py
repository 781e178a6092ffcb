"""The figures of depth draw the means of the records, every seed, and the norms that were measured."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.drift.depth import HIDDEN, HIDDEN_TUNED, NOISE, depth
from clipcompat_book.chapters.drift.depth_charts import depth_lines, norm_lines, ways_lines
from clipcompat_book.chapters.drift.first_steps import FirstStep
from clipcompat_book.show import NEW, OLD
from tests.book_package.chapters.drift.toys import depth_records


@pytest.fixture(scope="module")
def found():
    return depth(depth_records())


def panels(fig, axis):
    """Name of a line -> its trace, in the panel with this x axis."""
    return {t.name: t for t in fig.data if t.xaxis == axis and t.name}


def test_accuracies_are_drawn_by_dataset_and_as_their_mean(found):
    fig = depth_lines(found)
    assert [a.text for a in fig.layout.annotations] == ["dtd", "eurosat", "mean"]
    mean = panels(fig, "x3")
    assert list(mean) == ["retrained on new", "carried to new", "old", "zero-shot old", "zero-shot new"]
    assert list(mean["carried to new"].x) == [0, 1, 2]
    assert mean["carried to new"].y == pytest.approx([80, 60, 55]) and mean["old"].y == pytest.approx([90, 75, 65])
    assert mean["retrained on new"].y == pytest.approx([85, 70, 50.5])
    assert mean["zero-shot new"].y == pytest.approx([50] * 3) and mean["zero-shot old"].y == pytest.approx([60] * 3)
    assert mean["carried to new"].line.color == NEW and mean["old"].line.color == OLD
    assert all(half > 0 for half in mean["carried to new"].error_y.array)
    assert panels(fig, "x")["carried to new"].y == pytest.approx([77, 57, 52])


def test_every_seed_is_a_dot(found):
    dots = [t for t in depth_lines(found).data if t.mode == "markers" and t.xaxis == "x3"]
    carried = next(t for t in dots if t.legendgroup == "carried to new")
    assert sorted(carried.y) == pytest.approx(sorted([79, 80, 81, 58.9, 60, 61.1, 53.8, 55, 56.2]))
    assert {t.legendgroup for t in dots} == {"carried to new", "old"}


def test_ways_are_lines_and_an_undefined_share_is_a_gap(found):
    fig = ways_lines(found)
    gain, again, losses, kept = (panels(fig, axis) for axis in ("x", "x2", "x3", "x4"))
    assert list(gain) == [NOISE, HIDDEN_TUNED] and gain[NOISE].y == pytest.approx([30, 15, 5])
    assert again[HIDDEN_TUNED].y == pytest.approx([36, 34, 32]) and losses[NOISE].y == pytest.approx([5, 10, -4.5])
    assert kept[NOISE].y[2] is None and kept[NOISE].y[1] == pytest.approx(50, abs=1)
    assert kept[HIDDEN_TUNED].y[2] == pytest.approx(100 * 6 / 32, abs=1)
    assert gain[NOISE].line.dash != gain[HIDDEN_TUNED].line.dash


def test_norms_and_shares_are_those_measured():
    steps = {
        NOISE: {0: FirstStep(0.5, 4.0, 1.0), 1: FirstStep(0.5, 1.0, 30.0)},
        HIDDEN: {0: FirstStep(1.0, 4.0, 1.0), 1: FirstStep(30.0, 0.5, 30.0)},
    }
    fig = norm_lines(steps, 0.002)
    norms, shares = panels(fig, "x"), panels(fig, "x2")
    assert {n: list(t.y) for n, t in norms.items()} == {
        "what it replaces": [1.0, 30.0],
        NOISE: [0.5, 0.5],
        HIDDEN: [1.0, 30.0],
    }
    assert list(shares[NOISE].y) == pytest.approx([0.016, 0.004])
    assert list(shares[HIDDEN].y) == pytest.approx([0.008, 0.002 * 0.5 / 30])
    assert fig.layout.yaxis.type == fig.layout.yaxis2.type == "log"
