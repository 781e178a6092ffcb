"""A chart draws the numbers it is given, in the colours of the book."""

from __future__ import annotations

import pytest

from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.charts import control_rows, report_lines, strips
from clipcompat_book.show import METHOD_COLOURS, NEW, OLD
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_records

REPORT = Compatibility("coop", "toys", 1, old=80, new=70, zs_old=40, zs_new=50, retrained=90, negative_flips=9)


def points(fig) -> dict[tuple[str, float], tuple[float, str]]:
    """(first word of the label, row) -> (x, colour)."""
    marks = [trace for trace in fig.data if trace.mode == "markers+text"]
    return {(m.text[0].split()[0], m.y[0]): (m.x[0], m.marker.color) for m in marks}


def test_a_report_is_two_lines_with_its_five_accuracies():
    assert points(report_lines(REPORT)) == {
        ("zero-shot", 1): (40, OLD), ("plug-in", 1): (80, OLD),
        ("zero-shot", 0): (50, NEW), ("plug-in", 0): (70, NEW), ("retrained", 0): (90, NEW),
    }  # fmt: skip


def test_a_report_without_retraining_has_no_diamond():
    report = Compatibility("coop", "toys", 1, 80, 70, 40, 50, None, 9)
    assert ("retrained", 0) not in points(report_lines(report))
    assert not [trace for trace in report_lines(report).data if 90 in trace.x]


@pytest.mark.parametrize("log", [False, True])
def test_a_strip_shows_every_value_and_its_median_and_stays_the_same(log):
    groups = {"first": [0.1, 0.2, 0.9], "second": [0.5, 0.5]}
    fig = strips(groups, "cosine", log)
    dots, bars = fig.data[::2], fig.data[1::2]
    assert [list(trace.x) for trace in dots] == list(groups.values())
    assert [set(trace.x) for trace in bars] == [{0.2}, {0.5}]
    assert list(fig.layout.yaxis.ticktext) == ["first", "second"] and max(dots[0].y) < 0.5 > min(dots[0].y)
    assert (fig.layout.xaxis.type == "log") is log
    assert fig == strips(groups, "cosine", log)


def test_controls_are_rows_and_methods_are_colours_with_every_dataset_s_dot(monkeypatch):
    know_toys(monkeypatch)
    records = [*toy_records("coop"), *toy_records("contcoop", more=3.0), *toy_records("zero_shot")]
    fig = control_rows(records)
    assert list(fig.layout.yaxis.ticktext) == ["nothing changed", "the upgrade", "seed twin"]
    large = {trace.name: trace for trace in fig.data if trace.name}
    assert list(large) == ["CoOp", "ContCoOp"]
    assert list(large["CoOp"].x) == [20.0, 10.0, 1.0] and list(large["ContCoOp"].x) == [23.0, 13.0, 4.0]
    assert [round(y) for y in large["CoOp"].y] == [0, -1, -2]
    assert all(one > two for one, two in zip(large["CoOp"].y, large["ContCoOp"].y, strict=True)), "the first above"
    assert all(half > 0 for half in large["CoOp"].error_x.array)
    assert large["ContCoOp"].marker.color == METHOD_COLOURS["contcoop"]
    (dots,) = (trace for trace in fig.data if not trace.name and trace.legendgroup == "CoOp")
    assert sorted(dots.x) == [-1.0, 3.0, 8.0, 12.0, 18.0, 22.0] and "seed twin, dtd" in dots.customdata


def test_no_records_are_an_empty_chart():
    assert not control_rows([]).data
