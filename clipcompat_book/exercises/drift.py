"""The exercises of the chapter on drift: a relative change, a similarity, and whether one predicts a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from clipcompat.studies.drift.cka import LinearCKA
from clipcompat_book.exercises.feedback import Feedback, try_cases


def check_relative_change(answer: Callable[[Any, Any], Any]) -> Feedback:
    """Σ|θ' − θ| / Σ|θ| of one tensor."""
    theta = torch.tensor([1.0, -1.0, 3.0, 0.0])
    moved = theta + torch.tensor([0.5, -0.5, 0.0, 1.0])
    cases = [((theta, theta), 0.0), ((theta, 2 * theta), 1.0), ((theta, moved), 0.4), ((theta, theta.flip(0)), 2.0)]
    hints = {
        0: "A θ of 0 must not be divided by: divide one sum by the other, not number by number.",
        1: "Twice the tensor has moved by its own size. Take absolute values before you sum.",
    }
    return try_cases(answer, cases, hints, "A scalar near 0 weighs no more than it is large.")


def check_cka(answer: Callable[[Any, Any], Any]) -> Feedback:
    """Linear CKA of X [n, d] and Y [n, e], not centred."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(9, 4, generator=generator), torch.randn(9, 3, generator=generator)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=generator))[0]
    similarity = LinearCKA()
    similarity.add(x, y)
    cases = [((x, x), 1.0), ((x, x + 5), 1.0), ((x, 3 * x @ rotation), 1.0), ((x, y), similarity.value)]
    hints = {
        0: "Features are alike to themselves.",
        1: "A shift of all rows changes nothing: subtract every column's mean.",
        2: "A rotation and a scale change nothing: divide by ‖XᵀX‖ and by ‖YᵀY‖.",
        3: "These two are independent noise.",
    }
    return try_cases(answer, cases, hints, "Channels may have any names and any order.")


def check_rank_correlation(answer: Callable[[Any, Any], Any]) -> Feedback:
    """Spearman's rank correlation of two lists without ties."""
    drift = [0.11, 0.13, 0.14, 0.15, 0.16, 0.17]
    cases = [
        ((drift, [1.0, 2.0, 3.0, 4.0, 5.0, 60.0]), 1.0),
        ((drift, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]), -1.0),
        ((drift, [6.0, 1.0, 2.0, 3.0, 4.0, 5.0]), 1 / 7),
    ]
    hints = {
        0: "Only the order counts: replace every number by its rank.",
        1: "The opposite order has −1.",
        2: "Five blocks in order, and one that costs most though it moved least.",
    }
    return try_cases(answer, cases, hints, "With six blocks, one that is out of order decides much.")
