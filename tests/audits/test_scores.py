"""Intervals against their definition, and differences against counts by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clipcompat.audits.scores import Measured, wilson

LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
OLD, NEW = torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([1, 1, 0, 1, 2, 0])
NAMES = ("fox", "owl", "cub")


def shares(answers):
    return F.one_hot(answers, 3).double()


@pytest.mark.parametrize(("right", "n"), [(0, 8), (3, 8), (8, 8), (150, 200), (1999, 2000)])
def test_the_interval_is_wilsons(right, n):
    """Its ends are the shares p at which the seen share is 1.96 standard errors of p away."""
    low, high = (end / 100 for end in wilson(100 * right / n, n))
    for p in {low, high} - {0.0, 1.0}:
        assert abs(right / n - p) == pytest.approx(1.959964 * (p * (1 - p) / n) ** 0.5, abs=1e-6)
    assert 0 <= low <= right / n <= high <= 1 and low < high
    assert (low == 0) == (right == 0) and (high == 1) == (right == n)


def test_accuracies_flips_and_changes_are_counted():
    scores = Measured(LABELS, shares(OLD), shares(torch.zeros(6).long()))
    found = scores.differences(shares(NEW), NAMES)
    assert scores.old == pytest.approx(500 / 6) and scores.zero_shot == 50
    assert scores.accuracy(shares(NEW))[0] == pytest.approx(200 / 6)
    assert found["negative_flips"] == found["changed"] == 50
    assert [(c.old, c.new, c.images) for c in found["changes"]] == [("fox", "owl", 2), ("cub", "fox", 1)]
    assert [(c.classname, c.old, c.new) for c in found["classes"]][0] == ("cub", 100.0, 0.0)
    assert [(c.classname, c.taken_for, c.on_old, c.on_new) for c in found["confusions"]][:2] == [
        ("fox", "owl", 0, 2),
        ("owl", "cub", 1, 1),
    ]


def test_without_the_old_backbone_nothing_is_said_of_changes():
    found = Measured(LABELS, None, shares(OLD)).differences(shares(NEW), NAMES)
    assert "negative_flips" not in found and "changes" not in found
    assert found["classes"][0].old is None and found["confusions"][0].on_old is None
