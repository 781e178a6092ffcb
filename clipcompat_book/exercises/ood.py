"""The exercises on shifted sets: class lists, restricted logits, what is lost, and a correlation at equal gain."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from clipcompat_book.exercises.feedback import EMPTY, Feedback, call, try_cases

_SOURCE = ("owl", "red fox", "snow leopard", "heron", "lynx")
_SHIFTED = ("lynx", "red fox", "heron")


def check_class_map(answer: Callable[[tuple[str, ...], tuple[str, ...]], Any]) -> Feedback:
    """The source's label of every class of a shifted set, from both lists of names."""
    for ours, theirs in ((_SOURCE, _SHIFTED), (_SOURCE, _SOURCE), (_SOURCE, ("snow leopard",))):
        expected = [ours.index(name) for name in theirs]
        given = call(answer, (ours, theirs))
        if isinstance(given, Feedback):
            return given
        if given is None or given is ...:
            return EMPTY
        given = given.tolist() if hasattr(given, "tolist") else given
        if not isinstance(given, list | tuple):
            return Feedback(False, f"A list of labels is expected, yours is {given}.")
        if list(given) != expected:
            return Feedback(
                False,
                f"For {theirs} of {ours}: {expected} expected, yours is {list(given)}. {_hint(given, theirs)}".strip(),
            )
    return Feedback(True, "Names tell which column is which; places in the list do not.")


def _hint(given: Any, theirs: tuple[str, ...]) -> str:
    if list(given) == list(range(len(theirs))):
        return "That numbers the shifted list itself. Look each name up in the source's list."
    if list(given) == sorted(_SOURCE.index(name) for name in theirs):
        return "The labels are right, and in the source's order. Row i must belong to class i of the shifted list."
    return ""


def check_restricted(answer: Callable[[Any, Any, Any], Any]) -> Feedback:
    """Percent of right answers among the kept classes, from logits [image, source class], labels in the shifted set's
    numbering [image], and the source's label of each of its classes [class]."""
    logits = torch.tensor(
        [[9.0, 1.0, 2.0, 3.0, 4.0], [0.0, 5.0, 9.0, 6.0, 1.0], [0.0, 1.0, 2.0, 3.0, 2.5], [1.0, 7.0, 8.0, 2.0, 3.0]]
    )
    kept = torch.tensor([4, 1, 3])
    cases = [((logits, torch.tensor([0, 1, 2, 1]), kept), 75.0), ((logits, torch.tensor([1, 0, 0, 0]), kept), 0.0)]
    unrestricted = 100 * float((logits.argmax(-1) == kept[cases[0][0][1]]).double().mean())
    hints = {
        0: f"With all five columns it would be {unrestricted:.0f}. Keep `logits[:, kept]`, whose argmax is in the "
        "shifted numbering, as the labels are; and answer in percent."
    }
    return try_cases(answer, cases, hints, "The answer may only be one of the classes that the set has.")


def check_lost(answer: Callable[[float, float, float, float], float]) -> Feedback:
    """What is lost by a shift relative to zero-shot: plug-in and zero-shot on the source, then on the shifted set."""
    cases = [((70.0, 50.0, 60.0, 45.0), 5.0), ((70.0, 50.0, 40.0, 20.0), 0.0), ((60.0, 50.0, 55.0, 40.0), -5.0)]
    hints = {
        cases[0][0]: "70 − 60 would be the drop in accuracy. Part of it is zero-shot's own: compare the two gains.",
        cases[1][0]: "Zero-shot fell by 30, too: the gain is 20 before and after.",
        cases[2][0]: "The gain grew from 10 to 15, so the loss is negative; do not clip it.",
    }
    return try_cases(
        answer, cases, hints, "A shift that hurts zero-shot as much has cost the plug-in nothing of its own."
    )


def check_equal_gain(answer: Callable[[float, float, float], float]) -> Feedback:
    """The partial correlation of x and y at a given z, from r_xy, r_xz and r_yz."""

    def expected(xy: float, xz: float, yz: float) -> float:
        return (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))

    numbers = [(0.5, 0.0, 0.0), (0.48, 0.8, 0.6), (0.8, 0.8, 0.6), (0.1, 0.8, 0.6)]
    hints = {
        (0.48, 0.8, 0.6): "All of this correlation comes through z: 0.8 · 0.6 = 0.48.",
        (0.8, 0.8, 0.6): "0.32 is r_xy − r_xz · r_yz. Divide by both roots, √(1 − r_xz²) and √(1 − r_yz²).",
    }
    return try_cases(answer, [(n, expected(*n)) for n in numbers], hints, "Taking z out can turn the sign.")
