"""A chart draws the numbers it is given, in the colours of the book."""

from __future__ import annotations

import pytest

from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.charts import control_rows, method_menu, report_lines, strips, upgrade_dots
from clipcompat_book.show import METHOD_COLOURS, NEW, OLD
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_records
from tests.runs.test_tables import run

REPORT = Compatibility("coop", "toys", 1, old=80, new=70, zs_old=40, zs_new=50, retrained=90, negative_flips=9)


def points(fig) -> dict[tuple[str, float], tuple[float, str]]:
    """(first word of the label, row) -> (x, colour)."""
    marks = [trace for trace in fig.data if trace.mode == "markers+text"]
    return {(m.text[0].split()[0], m.y[0]): (m.x[0], m.marker.color) for m in marks}


def test_a_report_is_two_lines_with_its_five_accuracies():
    assert points(report_lines(REPORT)) == {
        ("zero-shot", 1): (40, OLD),
        ("plug-in", 1): (80, OLD),
        ("zero-shot", 0): (50, NEW),
        ("plug-in", 0): (70, NEW),
        ("retrained", 0): (90, NEW),
    }


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
    dots, diamonds = (trace for trace in fig.data if not trace.name and trace.legendgroup == "CoOp")
    assert list(diamonds.x) == [40.0, 40.0, 40.0] and diamonds.y == large["CoOp"].y, "retrained: 90, zero-shot: 50"
    assert diamonds.marker.symbol == "diamond-open" and diamonds.marker.color == METHOD_COLOURS["coop"]
    assert sorted(dots.x) == [-1.0, 3.0, 8.0, 12.0, 18.0, 22.0] and "seed twin, dtd" in dots.customdata


def test_no_records_are_an_empty_chart():
    assert not control_rows([]).data


def test_upgrade_dots_show_every_seed_and_the_mean_of_retraining() -> None:
    fig = upgrade_dots([run("coop", news=(70.0, 72.0)), run("coop", dataset="dtd"), run("zero_shot")])
    traces = {trace.name: trace for trace in fig.data}
    assert list(traces["new"].x) == [70.0, 72.0, 72.0] and list(traces["old"].x) == [80.0] * 3
    assert list(traces["retrained on new"].x) == [90.0, 90.0]
    assert list(traces["zero-shot old"].x) == [40.0, 40.0] and list(traces["zero-shot new"].x) == [50.0, 50.0]
    assert traces["old"].marker.color == OLD and traces["new"].marker.color == NEW
    assert [round(y) for y in traces["new"].y] == [0, 0, -1], "one row per dataset"
    assert list(traces["new"].customdata) == ["eurosat", "eurosat", "dtd"]


def test_upgrade_dots_have_a_facet_for_every_method_and_one_legend() -> None:
    plain, off = run("contcoop"), run("contcoop", settings={"attention": None})
    fig = upgrade_dots([off, plain, run("coop", dataset="dtd")])
    assert [title.text for title in fig.layout.annotations] == ["CoOp", "ContCoOp", "ContCoOp (Attn off)"]
    assert sum(bool(trace.showlegend) for trace in fig.data) == len({trace.name for trace in fig.data}) == 5
    assert list(fig.layout.yaxis.ticktext) == ["eurosat", "dtd"] and fig.layout.yaxis.range[1] > 0
    assert len({axis.range for axis in fig.select_xaxes()}) == 1, "facets are compared by eye"


def test_eleven_sets_of_two_methods_fit_on_a_screen() -> None:
    many = [run(method, dataset=f"set {k}") for k in range(11) for method in ("coop", "contcoop")]
    assert upgrade_dots(many).layout.height <= 700


def test_the_prefix_that_all_mini_sets_share_is_not_repeated_in_every_row() -> None:
    assert list(upgrade_dots([run("coop", dataset="mini/tints")]).layout.yaxis.ticktext) == ["tints"]


def test_no_records_are_a_figure_without_dots() -> None:
    assert not [x for trace in upgrade_dots([]).data for x in trace.x]


def test_dots_of_what_was_not_retrained_have_no_diamond() -> None:
    made = run("coop")
    made.per_seed[0]["retrained"] = None
    (diamonds,) = (t for t in upgrade_dots([made]).data if t.name == "retrained on new")
    assert not diamonds.x


def test_the_menu_shows_one_method_at_a_time_with_the_marks_of_its_own_figure() -> None:
    records = [run("coop", news=(70.0, 72.0)), run("kgcoop"), run("zero_shot")]
    fig = method_menu(records)
    (menu,) = fig.layout.updatemenus
    assert [button.label for button in menu.buttons] == ["CoOp", "KgCoOp"]
    for button, record in zip(menu.buttons, records, strict=False):
        seen = [t for t, visible in zip(fig.data, button.args[0]["visible"], strict=True) if visible]
        alone = upgrade_dots([record]).data
        assert [(t.name, t.x, t.y) for t in seen] == [(t.name, t.x, t.y) for t in alone]
    assert [t.visible for t in fig.data] == menu.buttons[0].args[0]["visible"]
