"""The exercises on chains of upgrades: shortfalls, excess, when to tune again, and what fits at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

from clipcompat_book.exercises.feedback import EMPTY, Feedback, call, try_cases

_A = ((80.0, 60.0, 50.0), (None, 82.0, 70.0), (None, None, 85.0))
_B = ((80.0, 78.0, 30.0, 30.0), (None, 80.0, 75.0, 74.0), (None, None, 80.0, 79.0), (None, None, None, 80.0))
_C = ((70.0, 72.0), (None, 70.0))


def check_shortfalls(answer: Callable[[Sequence[Sequence[float]]], Any]) -> Feedback:
    """Points that the oldest plug-in is below tuning there, on each later generation, from accuracies a[i][j]."""
    for a in (_A, _B, _C):
        expected = [a[j][j] - a[0][j] for j in range(1, len(a))]
        given = call(answer, (a,))
        if isinstance(given, Feedback):
            return given
        if given is None or given is ...:
            return EMPTY
        given = list(given) if isinstance(given, list | tuple) else given
        if given != expected:
            hint = ""
            if given == [a[0][0] - a[0][j] for j in range(1, len(a))]:
                hint = "That is the drop in accuracy. Compare with what tuning on that generation reaches."
            elif isinstance(given, list) and len(given) == len(a):
                hint = "The first generation is no step: begin with j = 1."
            elif (
                isinstance(given, list) and all(isinstance(x, float) for x in given) and min(given) >= 0 > min(expected)
            ):
                hint = "A carried plug-in can also be above; do not clip."
            return Feedback(False, f"For a = {_written(a)}: {expected} expected, yours is {given}. {hint}".strip())
    return Feedback(True, "The yardstick moves with the backbone: each generation has its own.")


def check_excess(answer: Callable[[Sequence[Sequence[float]]], float]) -> Feedback:
    """How much more all steps at once lose than the single steps together, from accuracies a[i][j]."""

    def excess(a: Sequence[Sequence[float]]) -> float:
        last = len(a) - 1
        return (a[last][last] - a[0][last]) - sum(a[j + 1][j + 1] - a[j][j + 1] for j in range(last))

    hints = {
        0: "At once: 85 − 50 = 35. The steps: 82 − 60 = 22 and 85 − 70 = 15, together 37.",
        1: "Each single step is that of the plug-in that was tuned just before it, a[j][j + 1].",
        2: "With one step there is nothing to add up.",
    }
    cases = [((a,), excess(a)) for a in (_A, _B, _C)]
    return try_cases(answer, cases, hints, "0 would mean that losses of steps add up.")


def check_plan(answer: Callable[[Sequence[Sequence[float]], int], Any]) -> Feedback:
    """The generations to tune on, in order, from a[i][j] and how many trainings can be paid; 0 is always among them."""
    for a, trainings in ((_A, 1), (_A, 2), (_B, 2), (_B, 3), (_C, 2)):
        expected = _best_plan(a, trainings)
        given = call(answer, (a, trainings))
        if isinstance(given, Feedback):
            return given
        if given is None or given is ...:
            return EMPTY
        if not isinstance(given, list | tuple | set) or not all(isinstance(g, int) for g in given):
            return Feedback(False, f"A list of generations is expected, yours is {given}.")
        if sorted(given) != expected:
            hint = "Generation 0 has to be tuned: nothing else is there on it." if 0 not in given else ""
            if not hint and len(set(given)) > trainings:
                hint = "These are more trainings than can be paid."
            elif not hint and all(0 <= g < len(a) for g in given):
                hint = f"Its mean over all generations is {_mean(a, sorted(set(given))):.1f}, that of the best "
                hint += f"{_mean(a, expected):.1f}. A generation is served by the last plug-in that was tuned up to it."
            asked = f"For a = {_written(a)} and {trainings} training{'s' * (trainings > 1)}"
            return Feedback(False, f"{asked}: {expected} expected, yours is {sorted(given)}. {hint}".strip())
    return Feedback(True, "The best time to tune again is before a step that loses much, seen from what comes after.")


def check_fits(answer: Callable[[dict, dict], Any]) -> Feedback:
    """Which of "coop", "clip_adapter" and "linear_probe" can be carried, as a set, from two backbones' lengths."""
    b16 = {"width": 512, "dim": 512, "penultimate": 768}
    cases = [
        (b16, {"width": 512, "dim": 512, "penultimate": 768}, {"coop", "clip_adapter", "linear_probe"}),
        (b16, {"width": 512, "dim": 1024, "penultimate": None}, {"coop"}),
        (b16, {"width": 768, "dim": 512, "penultimate": 768}, {"clip_adapter", "linear_probe"}),
        ({**b16, "penultimate": None}, {**b16, "penultimate": None}, {"coop", "clip_adapter"}),
    ]
    hints = {
        1: "Only the width of the text tower is the same here, and a prompt needs nothing else.",
        2: "A prompt vector of 512 numbers is no token of a text tower that is 768 wide.",
        3: "None is no length: such a tower has no penultimate features, so no linear probe can be tuned at all.",
    }
    for number, (old, new, expected) in enumerate(cases):
        given = call(answer, (old, new))
        if isinstance(given, Feedback):
            return given
        if given is None or given is ...:
            return EMPTY
        if not isinstance(given, set | list | tuple) or set(map(str, given)) != expected:
            shown = f"For {_lengths(old)} → {_lengths(new)}: {sorted(expected)} expected, yours is {given}."
            return Feedback(False, f"{shown} {hints.get(number, '')}".strip())
    return Feedback(True, "Three lengths tell what can be carried. They say nothing about how good it is then.")


def _mean(a: Sequence[Sequence[float]], tuned: Sequence[int]) -> float:
    if 0 not in tuned:
        return float("nan")
    return fmean(a[max(i for i in tuned if i <= j)][j] for j in range(len(a)))


def _best_plan(a: Sequence[Sequence[float]], trainings: int) -> list[int]:
    later = range(1, len(a))
    plans = [[0, *more] for k in range(trainings) for more in combinations(later, k)]
    return max(plans, key=lambda plan: (_mean(a, plan), -len(plan)))


def _written(a: Sequence[Sequence[float]]) -> str:
    return "[" + ", ".join("[" + ", ".join("–" if x is None else f"{x:.0f}" for x in row) + "]" for row in a) + "]"


def _lengths(backbone: dict) -> str:
    return "/".join(str(length) for length in backbone.values())
