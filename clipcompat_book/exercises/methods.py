"""The exercises on the methods side by side: what each carries, and why it fits or does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from clipcompat_book.exercises.feedback import Feedback, call_for_tensor, try_cases


def check_cache_count(answer: Callable[[int, int, int], int]) -> Feedback:
    """How many numbers Tip-Adapter carries, from classes, shots and the length of a feature."""
    cases = [((10, 1, 4), 142), ((12, 16, 128), 26_882), ((1000, 16, 512), 24_192_002)]
    hints = {(10, 1, 4): "Ten keys of 4 numbers, ten one-hot values of 10 numbers, and α and β: 40 + 100 + 2."}
    return try_cases(answer, cases, hints, "It grows with the classes, twice over; a context does not grow at all.")


def check_affinity_gap(answer: Callable[[Any, Any, Any], Any]) -> Feedback:
    """Mean affinity of pictures with keys of their own class, minus that with all other keys.

    answer: affinities [image, key], labels of the images, labels of the keys.
    """
    A = torch.tensor([[0.9, 0.1, 0.3], [0.2, 0.8, 0.6]])
    images, keys = torch.tensor([0, 1]), torch.tensor([0, 1, 1])
    own, other = (0.9 + 0.8 + 0.6) / 3, (0.1 + 0.3 + 0.2) / 3
    cases = [
        ((A, images, keys), own - other),
        ((A, 1 - images, keys), other - own),
        ((A[:1], images[:1], keys), 0.9 - 0.2),
        ((torch.full((2, 3), 0.7), images, keys), 0.0),
    ]
    hints = {
        0: "Own class: 0.9, 0.8, 0.6. Other keys: 0.1, 0.3, 0.2. A mean over pairs each, and their difference.",
        2: "One image here, of class 0: one key is its own, two are not.",
    }
    return try_cases(answer, cases, hints, "Above 0, the keys know their class. At 0, the cache adds noise.")


def check_rotated_probe(answer: Callable[[Any, Any], Any]) -> Feedback:
    """The probe W' [class, dim] that gives on features R f the logits that W gives on f; R is orthogonal."""
    generator = torch.Generator().manual_seed(1)
    f, W = torch.randn(5, 4, generator=generator), torch.randn(3, 4, generator=generator)
    R = torch.linalg.qr(torch.randn(4, 4, generator=generator))[0]
    given = call_for_tensor(answer, (W, R), W.shape, "W' has the shape of W, here [3, 4]")
    if isinstance(given, Feedback):
        return given
    if torch.allclose(f @ R.T @ given.T, f @ W.T, atol=1e-4):
        return Feedback(True, "With R, nothing is lost. But R can only be learned from pictures.")
    if torch.allclose(f @ R @ given.T, f @ W.T, atol=1e-4):
        return Feedback(False, "That undoes the rotation in the wrong direction: W' R f must be W f, so W' R = W.")
    return Feedback(False, "The shape is right, the numbers are not. For every f, W' R f must be W f.")
