"""An axis says what its reader reads there, whatever plotly's places are."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from clipcompat_book.axis import Axis, plain


def test_labels_are_the_nearest_ticks_words_and_an_axis_that_counts_has_none():
    fig = go.Figure().update_yaxes(tickvals=[0, 1], ticktext=["<b>W<sub>O</sub></b>", "two<br>lines"])
    assert Axis(fig, "y").labels([0.2, 0.9, -0.4]) == ["WO", "two lines", "WO"]
    assert Axis(fig, "x").labels(["a", "b"]) == ["a", "b"]
    assert Axis(fig, "x").labels([1, 2]) == []
    assert Axis(go.Figure().update_xaxes(tickvals=[5], ticktext=["−5"]), "x").labels([5]) == []


def test_a_place_is_read_by_its_nearest_tick_except_where_places_are_powers():
    ticks = {"tickvals": [0, 100, 800, 900], "ticktext": ["0", "100", "−100", "0"]}
    assert [Axis(go.Figure().update_xaxes(**ticks), "x").read(place) for place in (30, 810, 890)] == [30, -90, -10]
    assert Axis(go.Figure().update_xaxes(**ticks, type="log"), "x").read(810) == 810


def test_a_panel_that_shares_ticks_has_those_of_the_other_panel_and_its_own_window():
    fig = make_subplots(1, 2, shared_yaxes=True)
    fig.update_yaxes(title_text="accuracy", tickvals=[1], ticktext=["CoOp"], row=1, col=1)
    fig.update_yaxes(range=[0, 1], row=1, col=2)
    second = Axis(fig, "y2")
    assert second.words == "accuracy" and second.labels([1]) == ["CoOp"]
    assert not second.inside(2) and Axis(fig, "y").inside(2)


def test_the_window_of_a_logarithmic_axis_is_in_powers_of_ten():
    axis = Axis(go.Figure().update_xaxes(type="log", range=[0, 2]), "x")
    assert [axis.inside(value) for value in (0, 0.5, 1, 100, 101)] == [False, False, True, True, False]


def test_plotlys_tags_are_taken_out_and_other_signs_stay():
    assert plain("<i>a</i> <b>&</b> 1 < 2<br>c") == "a & 1 < 2 c"
