"""The exercises of ContCoOp's chapter: its attention, its size and its distillation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from clipcompat.methods.parts.attention import Attention, attend
from clipcompat_book.exercises.feedback import Feedback, call_for_tensor, try_cases


def check_attention(answer: Callable[..., Any]) -> Feedback:
    """Attn(p, c_i) for one class, from p [N, D], c [M, D] and maps W_Q, W_K, W_V, W_O [D, D], y = x · Wᵀ."""
    generator = torch.Generator().manual_seed(1)
    maps = Attention().parameters(8, generator)
    context, name = torch.randn(3, 8, generator=generator), torch.randn(2, 8, generator=generator)
    expected = attend(Attention(), maps, context, name[None], torch.ones(1, 2, dtype=torch.bool))[0]
    arguments = (context, name, *(maps[f"attn.{letter}.weight"] for letter in "qkvo"))
    wanted = "Attn(p, c) has one row for each of the 3 context rows, [3, 8]"
    given = call_for_tensor(answer, arguments, expected.shape, wanted)
    if isinstance(given, Feedback):
        return given
    if torch.allclose(given, expected, atol=1e-5):
        return Feedback(True, "It equals the library's layer.")
    if torch.allclose(given, expected + context, atol=1e-5):
        return Feedback(False, "That is p + Attn(p, c); return Attn(p, c) alone.")
    return Feedback(False, "The shape is right, the numbers are not. Look at √D, at the softmax over rows, and at Wᵀ.")


def check_parameter_count(answer: Callable[[int, int], int]) -> Feedback:
    """How many numbers ContCoOp learns, from N context tokens and D channels."""
    cases = [((16, 512), 1_056_768), ((16, 768), 2_371_584), ((4, 128), 66_048)]
    hints = {(16, 512): "Count p once, and the four maps W_Q, W_K, W_V, W_O; none has a bias."}
    return try_cases(answer, cases, hints, "Nearly all of them are in the four maps.")


def check_distillation(answer: Callable[[Any, Any], Any]) -> Feedback:
    """(1/C) Σ ‖w_i − w_i^zs‖₂ of class weights [class, dim] that still have to be normalised."""
    two = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    cases = [((two, two), 0.0), ((two, -two), 2.0), ((two, two.flip(0)), math.sqrt(2)), ((5 * two, two), 0.0)]
    hints = {
        1: "Opposite unit vectors are 2 apart; 4 would be the squared distance.",
        2: "Take a distance for every class, then the mean over classes.",
        3: "Weights of different length but equal direction are the same classifier: normalise both.",
    }
    return try_cases(answer, cases, hints, "Zero only where every class points where zero-shot points.")
