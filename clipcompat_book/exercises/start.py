"""The exercises of the first chapter: H, kept gain and negative flips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from clipcompat_book.exercises.feedback import Feedback, try_cases


def check_harmonic_mean(answer: Callable[[float, float], float]) -> Feedback:
    """H of an old and a new accuracy."""
    cases = [((80, 80), 80.0), ((90, 10), 18.0), ((60, 30), 40.0), ((0, 0), 0.0)]
    hints = {
        (90, 10): "That would be 50 for the ordinary mean; H punishes the weaker side.",
        (0, 0): "Two zeros must give 0, not a division by zero.",
    }
    return try_cases(
        answer, cases, hints, "H is nearer the weaker of the two, so neither side can be bought with the other."
    )


def check_kept_gain(answer: Callable[[float, float, float], float | None]) -> Feedback:
    """Kept gain from new, zs_new and retrained; None where retraining gains less than a point."""
    cases = [
        ((70, 50, 75), 0.8),
        ((50, 50, 80), 0.0),
        ((45, 50, 60), -0.5),
        ((70, 50, 50.5), None),
        ((49, 50, 48), None),
    ]
    hints = {
        (45, 50, 60): "A carried plug-in that is worse than zero-shot has kept less than nothing.",
        (70, 50, 50.5): "Retraining gains half a point here: too little to have a share of. Return None.",
        (49, 50, 48): "Retraining loses here; there is no gain to keep. Return None.",
    }
    return try_cases(answer, cases, hints, "A share of next to nothing is undefined, and says so.")


def check_negative_flips(answer: Callable[[Any, Any], float]) -> Feedback:
    """Percent of images right on old and wrong on new, from two bool tensors [image]."""

    def flags(text: str) -> Any:
        return torch.tensor([c == "1" for c in text])

    cases = [
        ((flags("1100"), flags("1010")), 25.0),
        ((flags("0011"), flags("1111")), 0.0),
        ((flags("1111"), flags("0000")), 100.0),
    ]
    hints = {
        0: "One answer of four broke: count it in percent, and not the one that was mended.",
        1: "Two answers were mended here, and none broke: only right on old and wrong on new counts.",
    }
    return try_cases(answer, cases, hints, "Two backbones with equal accuracy can still disagree on many images.")
