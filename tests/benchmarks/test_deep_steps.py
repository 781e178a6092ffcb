"""MaPLe's step: the official arithmetic and ours are one function, in loss and gradients."""

from __future__ import annotations

import pytest
import torch

from benchmarks.deep_steps import DeepStep, measure_deep
from clipcompat.methods.visual.maple import MaPLe

NAMES = ("owl", "red fox", "snow leopard cub")


def test_both_ways_agree_in_loss_and_gradients(mini_old):
    step = DeepStep(MaPLe(depth=3), mini_old, NAMES, pictures=4)
    fast, ours = step.fast(), step.gradients()
    plain, theirs = step.plain(), step.gradients()
    assert ours.abs().max() > 0
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


def test_a_row_has_what_the_table_shows(mini_old):
    said = []
    row = measure_deep("maple-3", DeepStep(MaPLe(depth=3), mini_old, NAMES, pictures=2), 1, said.append)
    assert row["ratio"] == pytest.approx(row["reference_s"] / row["fast_s"]) and row["max_abs_diff"] < 1e-4
    assert row["what"].startswith("a step of 2 pictures and 3 classes") and len(said) == 1
