"""Where scripts do not run, a page has what a figure shows in words, and its numbers in a small table."""

from __future__ import annotations

import re

import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from clipcompat_book.explore import menu, visible
from clipcompat_book.fallback import fallback


def tables(fig: go.Figure) -> list[list[list[str]]]:
    """The cells of every table, row by row."""
    text = fallback(fig, "What it shows.")
    rows = [re.findall(r"<tr>.*?(?=<tr>|$)", table) for table in re.findall(r"<table>(.*?)</table>", text)]
    return [[re.findall(r"<t[dh]>([^<]*)", row) for row in table] for table in rows]


def test_it_is_only_for_browsers_without_scripts_and_hides_the_empty_frame():
    text = fallback(go.Figure(go.Bar(x=["a"], y=[1])), 'A "bar" & more.')
    assert text.startswith("<noscript>") and text.endswith("</noscript>")
    assert "[role=img] {display: none}" in text and "A &quot;bar&quot; &amp; more." in text
    assert "menus" not in text


def test_a_row_per_word_and_a_column_per_trace_whichever_axis_has_the_words():
    names, old, new = ["a", "b"], [71.25, -3.5], [1234.5, 0.05]
    upright = go.Figure([go.Bar(x=names, y=old, name="old"), go.Bar(x=names, y=new, name="new")])
    lying = go.Figure([go.Bar(y=names, x=old, name="old"), go.Bar(y=names, x=new, name="new")])
    expected = [["", "old", "new"], ["a", "71.2", "1234"], ["b", "−3.5", "0.05"]]
    assert tables(upright) == tables(lying) == [expected]


def test_words_of_ticks_name_what_stands_near_them_and_many_values_are_a_median_and_its_ends():
    y = [0.1, 0.1, 0.1, 0.1, 0.1, -0.9, -0.9]
    fig = go.Figure(go.Scatter(x=[5, 1, 3, 2, 4, 7, 8], y=y, name="seeds"))
    fig.update_yaxes(tickvals=[0, -1], ticktext=["first", "second"])
    fig.update_xaxes(title_text="accuracy")
    assert tables(fig) == [[["", "seeds"], ["first", "3 (1 to 5)"], ["second", "7, 8"]]]
    assert "<caption>accuracy</caption>" in fallback(fig, "Dots.")


def test_only_what_is_in_sight_when_the_page_opens_is_told():
    bars = {"one": True, "two": False}
    fig = go.Figure([go.Bar(x=["a"], y=[1 + i], name=n, visible=bars[n]) for i, n in enumerate(bars)])
    fig.update_layout(updatemenus=[menu("Which", {name: visible([*bars], name) for name in bars})])
    assert tables(fig) == [[["", "one"], ["a", "1"]]]
    assert "menus begin as shown here" in fallback(fig, "Bars.")


def test_a_window_over_a_plane_is_read_by_its_ticks():
    """The upgrade explorer puts each choice at another place, and its ticks count from 0 in all of them."""
    fig = go.Figure(go.Scatter(x=[862.5, 20.0], y=[1, 1], name="old"))
    fig.update_xaxes(range=[800, 900], tickvals=[0, 100, 800, 900], ticktext=[0, 100, 0, 100])
    fig.update_yaxes(tickvals=[1], ticktext=["on old"])
    assert tables(fig) == [[["", "old"], ["on old", "62.5"]]]


def test_panels_have_a_table_each_with_their_title_and_the_words_of_a_shared_axis():
    fig = make_subplots(1, 2, shared_yaxes=True, subplot_titles=["on old", "on new"])
    for column in (1, 2):
        fig.add_scatter(x=[10 * column], y=[0], name="points", row=1, col=column)
    fig.update_yaxes(tickvals=[0], ticktext=["CoOp"], col=1)
    assert tables(fig) == [[["", "points"], ["CoOp", "10"]], [["", "points"], ["CoOp", "20"]]]
    assert re.findall("<caption>(.*?)</caption>", fallback(fig, "Two panels.")) == ["on old", "on new"]


def test_clouds_are_counted_and_few_places_are_written_out():
    cloud = go.Figure(go.Scatter(x=list(range(20)), y=[2 * i for i in range(20)], name="parts"))
    cloud.update_layout(xaxis_title="change", yaxis_title="lost")
    assert tables(cloud) == [[["", "points", "change", "lost"], ["parts", "20", "9.5 (0 to 19)", "19 (0 to 38)"]]]
    curve = go.Figure(go.Scatter(x=[1, 2, 16], y=[50, 60, 70], name="CoOp"))
    assert tables(curve) == [[["", "CoOp"], ["1", "50"], ["2", "60"], ["16", "70"]]]


def test_helper_lines_without_a_name_and_places_for_the_mouse_are_left_out():
    line = go.Scatter(x=[1, 2], y=["a", "a"], mode="lines", hoverinfo="skip")
    mouse = go.Scatter(x=[1], y=["a"], marker_opacity=0, name="mouse")
    dot = go.Scatter(x=[2], y=["a"], hovertemplate="on new: %{x:.1f} %")
    assert tables(go.Figure([line, mouse, dot])) == [[["", "on new"], ["a", "2"]]]


def test_a_heatmap_is_its_own_table():
    fig = go.Figure(go.Heatmap(z=[[1, None], [3, 4]], x=["a", "b"], y=["c", "d"]))
    assert tables(fig) == [[["", "a", "b"], ["c", "1", ""], ["d", "3", "4"]]]
    assert tables(go.Figure(go.Heatmap(z=[[5]]))) == [[["", "0"], ["0", "5"]]]


def test_titles_of_pictures_are_told_and_those_out_of_sight_are_not():
    fig = go.Figure(go.Scatter(x=[], y=[]))
    fig.add_annotation(text="<b>red</b><br>circle", x=0.5, y=0.5).add_annotation(text="hidden", x=9, y=0.5)
    fig.update_xaxes(range=[0, 1]).update_yaxes(range=[1, 0])
    text = fallback(fig, "A picture.")
    assert "Written in it: red, circle." in text and "hidden" not in text and "<table>" not in text


@pytest.mark.parametrize("rows", [3, 400])
def test_it_stays_small_and_says_what_it_leaves_out(rows):
    names = [f"row {i}" for i in range(rows)]
    text = fallback(go.Figure([go.Bar(x=names, y=list(range(rows)), name=f"trace {j}") for j in range(12)]), "Bars.")
    assert len(text) < 5000
    assert "5 more columns" in text and ("384 more rows" in text) == (rows == 400)


def test_a_zero_has_no_sign():
    fig = go.Figure(go.Bar(x=["a", "b"], y=[-0.0, -0.5]))
    assert "−0<" not in fallback(fig, "Two bars.") and "−0.5" in fallback(fig, "Two bars.")
