"""The exercises on dual prompts: the mixture, hard negatives, the symmetric loss, and which names get which prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from clipcompat_book.exercises.feedback import EMPTY, Feedback, call, call_for_tensor, try_cases


def check_mixture(answer: Callable[[Any, Any, float], Any]) -> Feedback:
    """The prompt for base classes from P [token, width], P' and ω_b."""
    first, parallel = (torch.randn(4, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    for omega in (0.2, 0.0, 1.0):
        given = call_for_tensor(
            answer, (first, parallel, omega), first.shape, "A prompt of P's shape [4, 8] is expected"
        )
        if isinstance(given, Feedback):
            return given
        if torch.allclose(given, omega * first + (1 - omega) * parallel, atol=1e-5) and omega != 0.5:
            return Feedback(False, f"With ω = {omega} that weighs P with ω. ω is the weight of the parallel prompt P′.")
        if not torch.allclose(given, omega * parallel + (1 - omega) * first, atol=1e-5):
            return Feedback(False, f"With ω = {omega} it should be ω P′ + (1 − ω) P, and it is not.")
    return Feedback(True, "At ω = 0 the learner is what it was before.")


def check_negatives(answer: Callable[[Any, Any, int], Any]) -> Feedback:
    """Hard negatives of every image, from logits [image, class], labels [image] and K: no class twice in a batch."""
    logits = torch.tensor([[5.0, 4.0, 3.0, 0.0, 1.0], [4.0, 5.0, 3.0, 2.0, 0.0]])
    cases = [(torch.tensor([0, 3]), 3, [[1, 2], []]), (torch.tensor([1, 4]), 2, [[0], []])]
    for labels, top, expected in cases:
        given = call(answer, (logits, labels, top))
        if isinstance(given, Feedback):
            return given
        if given is None or given is ...:
            return EMPTY
        try:
            found = [[int(label) for label in mine] for mine in given]
        except (TypeError, ValueError):
            return Feedback(False, f"A list with one list of classes per image is expected, yours is {given}.")
        if found != expected:
            words = f"For labels {labels.tolist()} and K = {top}: {expected} expected, yours is {found}. "
            return Feedback(False, words + _hint(found, labels.tolist(), logits.topk(top).indices.tolist()))
    return Feedback(True, "The image that comes first has the first choice.")


def _hint(found: list, labels: list[int], ranked: list[list[int]]) -> str:
    flat = [label for mine in found for label in mine]
    if set(flat) & set(labels):
        return "A class that an image of the batch has is no negative, whichever image it is."
    if len(set(flat)) < len(flat):
        return "A class was taken twice: what the first image took is gone for the second."
    if any(not set(mine) <= set(top) for mine, top in zip(found, ranked, strict=False)):
        return "Only an image's own first K classes count; its label may be among them."
    return "Go through the first K classes of each image in their order."


def check_symmetric(answer: Callable[[Any], Any]) -> Feedback:
    """The loss from scaled similarities Z [row, row] of images and texts, where row i belongs to column i."""
    z = 3 * torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    target = torch.arange(4)
    rows, columns = float(F.cross_entropy(z, target)), float(F.cross_entropy(z.T, target))
    hints = {0: f"Images against texts alone would be {rows:.4g}, texts against images {columns:.4g}; take the mean."}
    cases = [
        ((z,), (rows + columns) / 2),
        ((torch.eye(3) * 9,), float(F.cross_entropy(torch.eye(3) * 9, torch.arange(3)))),
    ]
    return try_cases(answer, cases, hints, "Each image picks its text, and each text its image.")


def check_weight_of(answer: Callable[[str, Any, float, float], Any]) -> Feedback:
    """Which weight a class name gets, from the name, the base names, ω_b and ω_n."""
    base = ("owl", "red fox")
    for name, omegas, expected in (("owl", (0.2, 0.0), 0.2), ("lynx", (0.2, 0.0), 0.0), ("heron", (0.3, 0.1), 0.1)):
        given = call(answer, (name, base, *omegas))
        if isinstance(given, Feedback):
            return given
        if given is None or given is ...:
            return EMPTY
        if given != expected:
            return Feedback(False, f"{name!r} with base names {base} gets {expected}, yours is {given}.")
    return Feedback(True, "The name decides, not the picture: at test nobody knows the picture's class.")
