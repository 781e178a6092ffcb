"""The exercises on repairing: folding a map into a probe, the rotation between two spaces, and a share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from clipcompat_book.exercises.feedback import Feedback, call_for_tensor, try_cases


def check_folded_bias(answer: Callable[[Any, Any, Any], Any]) -> Feedback:
    """The bias of the new probe, from W [class, old dim], b [class] and the map's shift c [old dim]."""
    generator = torch.Generator().manual_seed(0)
    weight, bias, shift = (torch.randn(*size, generator=generator) for size in ((3, 5), (3,), (5,)))
    expected = bias + weight @ shift
    given = call_for_tensor(answer, (weight, bias, shift), expected.shape, "One number per class is expected")
    if isinstance(given, Feedback):
        return given
    if torch.allclose(given, expected, atol=1e-5):
        return Feedback(True, "W (A x + c) + b = (W A) x + (W c + b): the shift goes into the bias.")
    if torch.allclose(given, bias, atol=1e-5):
        return Feedback(False, "That leaves the bias as it was. Write W (A x + c) + b out: what does not depend on x?")
    if torch.allclose(given, weight @ shift, atol=1e-5):
        return Feedback(False, "W c is what is added. The old bias is still needed.")
    return Feedback(False, "Write W (A x + c) + b out, and collect what does not depend on x.")


def check_rotation(answer: Callable[[Any, Any], Any]) -> Feedback:
    """The rotation Q [dim, dim] that takes centred rows x to centred rows y, both [picture, dim]: y ≈ x Qᵀ."""
    generator = torch.Generator().manual_seed(1)
    true = torch.linalg.qr(torch.randn(4, 4, generator=generator))[0]
    x = torch.randn(30, 4, generator=generator)
    x = x - x.mean(0)
    y = x @ true.T
    given = call_for_tensor(answer, (x, y), true.shape, "A square matrix is expected, one row per dim of y")
    if isinstance(given, Feedback):
        return given
    if torch.allclose(given, true, atol=1e-3):
        return Feedback(True, "U Vᵀ of Yᵀ X: all that a rotation can take over, and not one number more to fit.")
    if torch.allclose(given, true.T, atol=1e-3):
        return Feedback(False, "That is its transpose: it takes y to x. Use Yᵀ X and not Xᵀ Y.")
    if torch.allclose(given, y.T @ x, atol=1e-3):
        return Feedback(False, "Yᵀ X has the right directions and wrong lengths. Its singular values must become 1.")
    return Feedback(False, "Take U, S, Vᵀ of Yᵀ X (`torch.linalg.svd`), and leave S out.")


def check_share(answer: Callable[[float, float, float], float]) -> Feedback:
    """How much of what retraining adds to zero-shot is there, in percent: zero-shot, plug-in and retrained on new."""
    cases = [((50.0, 75.0, 80.0), 250 / 3), ((60.0, 70.0, 80.0), 50.0), ((50.0, 20.0, 80.0), -100.0)]
    hints = {
        cases[0][0]: "Of the 30 points that retraining adds, 25 are there; and answer in percent.",
        cases[1][0]: "70 of 80 looks like much. Of the 20 points above zero-shot it is 10.",
        cases[2][0]: "It is 30 points below zero-shot, worse than nothing; do not clip it.",
    }
    return try_cases(answer, cases, hints, "What zero-shot gives for nothing is nobody's merit.")
