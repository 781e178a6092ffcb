"""Figures of the chapter draw the numbers of the records and the tensors of the plug-in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clipcompat.studies.carried.mixture import OMEGAS
from clipcompat_book.chapters.dual import charts
from clipcompat_book.chapters.dual.rows import duals_of
from tests.book_package.chapters.dual.made import SETS, made


def test_an_arrow_runs_from_zero_shot_to_the_learner_for_every_dataset():
    fig = charts.trade_off(duals_of(made()))
    arrows = [(a.ax, a.ay, a.x, a.y) for a in fig.layout.annotations]
    assert arrows == [(65.0, 66.0, 80.0, 60.0)] * len(SETS)
    assert [trace.name for trace in fig.data] == ["zero-shot", "CoOp"]


def test_a_dual_prompt_shows_what_each_mixture_adds():
    first, parallel = torch.zeros(2, 3), torch.ones(2, 3)
    fig = charts.dual_prompt(first, parallel, 0.2, 0.0)
    assert [float(np.max(trace.z)) for trace in fig.data] == pytest.approx([0, 1, 0.2, 0])
    assert len({trace.zmax for trace in fig.data[1:]}) == 1


def test_curves_begin_at_0_and_a_button_shows_one_learner():
    fig = charts.weight_curves(duals_of([*made(base=10, noise=0), *made(["learner=kgcoop"], base=4, noise=0)]))
    shown = [trace for trace in fig.data if trace.visible]
    base = next(trace for trace in shown if trace.name == "base classes")
    assert list(base.y) == pytest.approx([10 * omega for omega in OMEGAS])
    assert sum(trace.name.endswith("the paper's CoOp") for trace in shown) == 2
    coop, kgcoop = (button.args[0]["visible"] for button in fig.layout.updatemenus[0].buttons)
    assert list(coop) == [bool(trace.visible) for trace in fig.data] and sum(kgcoop) == 4


def test_after_the_upgrade_there_is_a_dot_per_learner_side_and_half():
    fig = charts.after_upgrade(duals_of([*made(noise=0), *made(["learner=kgcoop"], carried_base=-10, noise=0)]))
    dots = {trace.name: list(trace.x) for trace in fig.data}
    assert dots["base classes, carried to new"] == pytest.approx([2, -2])
    assert dots["new classes, on old"] == pytest.approx([-4, -4]) and len(dots) == 4
