"""A figure with menus is one thing in the book and another in a live notebook, and both show the same choices."""

from __future__ import annotations

import sys

import plotly.graph_objects as go
import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat_book import explore as explorers
from clipcompat_book.explore import chosen, controls, explore, live_controls, menu, slider, visible, widgets_work


@pytest.fixture
def twin() -> go.Figure:
    fig = go.Figure([go.Bar(y=[1], visible=True), go.Bar(y=[2], visible=False)])
    owners = ["a", "b"]
    windows = {"1": ({}, {"xaxis.range": [0, 1]}), "2": ({}, {"xaxis.range": [5, 6]})}
    fig.update_layout(updatemenus=[menu("Method", {name: visible(owners, name) for name in owners})])
    return fig.update_layout(sliders=[slider("Shots", windows, active=1)], xaxis_range=[5, 6])


@pytest.fixture
def shown(monkeypatch) -> list[go.Figure]:
    figures: list[go.Figure] = []
    monkeypatch.setattr(explorers, "show", lambda fig, *, alt, caption=None: figures.append(fig))
    return figures


def test_a_figure_tells_its_choices(twin):
    assert controls(twin) == {"Method": ["a", "b"], "Shots": ["1", "2"]}


def test_a_choice_changes_a_copy_and_leaves_the_other_choices(twin):
    fig = chosen(twin, {"Method": "b"})
    assert [trace.visible for trace in fig.data] == [False, True]
    assert fig.layout.xaxis.range == (5, 6) and not fig.layout.updatemenus and not fig.layout.sliders
    assert chosen(twin, {"Shots": "1"}).layout.xaxis.range == (0, 1)
    assert [trace.visible for trace in twin.data] == [True, False] and twin.layout.updatemenus


def test_an_option_that_is_not_there_is_refused_with_those_that_are(twin):
    with pytest.raises(UnknownNameError, match="Method.*'c'.*a"):
        chosen(twin, {"Method": "c"})


def test_without_a_kernel_or_in_the_book_or_without_the_package_the_figure_itself_is_shown(twin, shown, monkeypatch):
    explore(twin, alt="Bars of two methods.")
    assert shown == [twin]
    monkeypatch.setattr("IPython.get_ipython", lambda: type("Shell", (), {"kernel": 1}))
    assert widgets_work()
    monkeypatch.setenv("CLIPCOMPAT_BOOK", "1")
    assert not widgets_work()
    monkeypatch.delenv("CLIPCOMPAT_BOOK")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not widgets_work()


def test_widgets_begin_where_the_figure_does_and_draw_what_it_would_show(twin, shown):
    box = live_controls(twin, "Bars.", lambda options: chosen(twin, options))
    row, _ = box.children
    method, shots = row.children
    assert (method.value, shots.value) == ("a", "2")
    assert (list(method.options), list(shots.options)) == (["a", "b"], ["1", "2"])
    assert shown[-1] == chosen(twin, {"Method": "a", "Shots": "2"})
    method.value = "b"
    assert shown[-1] == chosen(twin, {"Method": "b", "Shots": "2"})
    shots.value = "1"
    assert shown[-1].layout.xaxis.range == (0, 1)
