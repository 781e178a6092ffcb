"""The exercises on all methods and on deep plug-ins: what each carries, and why it survives or does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from clipcompat_book.exercises.feedback import Feedback, call_for_tensor, try_cases


def check_cache_count(answer: Callable[[int, int, int], int]) -> Feedback:
    """How many numbers Tip-Adapter carries, from classes, shots and the length of a feature."""
    cases = [((10, 1, 4), 142), ((12, 16, 128), 26_882), ((1000, 16, 512), 24_192_002)]
    hints = {
        (10, 1, 4): "Ten keys of 4 numbers, ten one-hot values of 10 numbers, and α and β: 40 + 100 + 2.",
        (12, 16, 128): "There is a key, and a value, for each of the 12 · 16 pictures.",
    }
    return try_cases(answer, cases, hints, "It grows with the classes, twice over; a context does not grow at all.")


def check_residual(answer: Callable[[Any, Any, float], Any]) -> Feedback:
    """TaskRes' text vectors of length 1, from text features t [class, dim], residuals x [class, dim] and α."""
    generator = torch.Generator().manual_seed(2)
    t, x = (torch.randn(3, 4, generator=generator) for _ in range(2))
    expected = F.normalize(t + 0.5 * x, dim=-1)
    given = call_for_tensor(answer, (t, x, 0.5), expected.shape, "One row per class is expected, here [3, 4]")
    if isinstance(given, Feedback):
        return given
    if torch.allclose(given, expected, atol=1e-4):
        return Feedback(True, "On new, t is another one and x is the same. So x is good as far as directions stay.")
    if torch.allclose(given, t + 0.5 * x, atol=1e-4):
        return Feedback(False, "The directions are right. Give every row the length 1: the cosine takes it so.")
    if torch.allclose(given, F.normalize(t + x, dim=-1), atol=1e-4):
        return Feedback(False, "α is missing: it says how much of x is added.")
    return Feedback(False, "The shape is right, the numbers are not. Add α x to t as it comes, then normalise rows.")


def check_loudness(answer: Callable[[Any, Any], float]) -> Feedback:
    """The largest α for which `text + α added` chooses the class that `text` chooses; both are logits [class]."""
    text = torch.tensor([5.0, 3.0, 1.0])
    cases = [
        ((text, torch.tensor([0.0, 1.0, 4.0])), 1.0),
        ((text, torch.tensor([-1.0, 0.0, -2.0])), 2.0),
        ((text, torch.tensor([2.0, 1.0, 0.0])), math.inf),
        ((text.flip(0), torch.tensor([4.0, 1.0, 0.0])), 1.0),
    ]
    hints = {
        0: "Class 1 is 2 behind and gains 1 per α; class 2 is 4 behind and gains 4. Who overtakes first?",
        1: "Class 2 falls back with every α: it never overtakes.",
        2: "No class gains on the chosen one, so no α is too large: `math.inf`.",
        3: "Here the text chooses class 2, not class 0.",
    }
    return try_cases(answer, cases, hints, "A weight that was chosen on old is carried. On new it may be too loud.")


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


def check_masked_change(answer: Callable[[Any, Any, Any], Any]) -> Feedback:
    """The weights W + m ⊙ D of the new backbone, from W, a carried change D and the gradient G of the loss by W."""
    W = torch.zeros(2, 3)
    D = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
    G = torch.tensor([[0.1, 0.2, -0.3], [-0.4, 0.0, 0.6]])
    expected = torch.tensor([[0.0, -2.0, 3.0], [0.0, 0.0, -6.0]])
    given = call_for_tensor(answer, (W, D, G), W.shape, "The weights keep their shape, here [2, 3]")
    if isinstance(given, Feedback):
        return given
    if torch.equal(given, expected):
        return Feedback(True, "Only signs of G count: how steep it is, does not.")
    if torch.equal(given, W + D):
        return Feedback(False, "That carries all of D. Leave out what a step downhill would oppose.")
    if torch.equal(given, W + D * (D * G > 0)):
        return Feedback(False, "That keeps what goes uphill. A step downhill is −G, so keep D where D ⊙ G < 0.")
    return Feedback(False, "m is 1 or 0, number by number: 1 where D ⊙ G is below 0. Then add m ⊙ D to W.")
