"""The exercises of ContCoOp's chapter: its attention, its size, its distillation, its scores and its lead."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from clipcompat.methods.parts.attention import Attention, attend
from clipcompat.studies.statistic import Statistic
from clipcompat_book.exercises.feedback import Feedback, call, call_for_tensor, try_cases


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


def check_score_size(answer: Callable[[int, float, float], float]) -> Feedback:
    """The size of a score q · k / √D before training, from D and the sizes of one number of p and of c.

    The maps are U(−1/√D, 1/√D), the default of `attention.init`.
    """
    cases = [((512, 1.0, 1.0), 1 / 3), ((512, 2.0, 0.5), 1 / 3), ((512, 3.0, 1.0), 1.0), ((128, 1.0, 1.0), 1 / 3)]
    wrong = {
        "That is √D too much: a sum of D products of random signs is √D times one of them, and √D is divided out.": (
            lambda d, p, c: p * c / 3 * math.sqrt(d)
        ),
        "That would be maps with the variance 1/D. U(−a, a) has the variance a²/3.": lambda d, p, c: p * c,
        "There are two maps, W_Q and W_K, and each makes rows √3 times shorter.": lambda d, p, c: p * c / math.sqrt(3),
    }
    tried = [(case, call(answer, case)) for case, _ in cases]
    for words, mistake in wrong.items():
        if all(_near(given, mistake(*case)) for case, given in tried):
            return Feedback(False, words)
    moral = "It does not depend on D. For 0.02 and 0.02 it is 1.3e-4: attention starts uniform at any width."
    hint = "Each map makes rows √3 times shorter; the sum of D products gives √D, which is divided out."
    return try_cases(answer, cases, dict.fromkeys(range(len(cases)), hint), moral)


def check_lead(answer: Callable[[Mapping[int, float], Mapping[int, float]], float]) -> Feedback:
    """Half of the 95 % t-interval of ContCoOp's lead over CoOp, from seed -> accuracy of each, paired by seed."""
    one = {1: 71.0, 2: 63.0, 3: 80.0, 4: 75.0, 5: 68.0}
    two = {5: 66.0, 4: 72.5, 3: 79.0, 2: 60.0, 1: 69.5}  # in another order: paired by seed, not by place
    expected = Statistic.paired(one, two).interval
    given = call(answer, (one, two))
    apart = math.hypot(*(Statistic.of(list(side.values())).interval for side in (one, two)))
    by_place = Statistic.of([a - b for a, b in zip(one.values(), two.values(), strict=True)]).interval
    wrong = {
        apart: "That adds up two intervals. Take the differences first: what a seed does to both cancels.",
        by_place: "You subtract in the order in which seeds are listed. Look both up by the same seed.",
        Statistic.paired(one, two).sd: "That is the standard deviation; the interval of the mean is t · sd / √n.",
        1.96 * Statistic.paired(one, two).sd / math.sqrt(5): "1.96 is for many seeds; for five it is 2.7764.",
    }
    for value, words in wrong.items():
        if _near(given, value):
            return Feedback(False, words)
    moral = f"The lead is {Statistic.paired(one, two).mean:.1f} ± {expected:.1f}; unpaired it would be ± {apart:.1f}."
    return try_cases(answer, [((one, two), expected)], {}, moral)


def _near(given: Any, wanted: float) -> bool:
    try:
        return math.isclose(float(given), wanted, rel_tol=1e-3)
    except (TypeError, ValueError, RuntimeError):
        return False
