"""The exercises on ablations: a paired effect, what is kept, Holm's correction, and the size of a score by heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

from clipcompat.studies.comparison import holm
from clipcompat_book.exercises.feedback import EMPTY, Feedback, call, try_cases

Values = Mapping[tuple[str, int], float]
"""(dataset, seed) -> accuracy."""

_ON = {("shapes", 1): 60.0, ("shapes", 2): 64.0, ("shapes", 3): 62.0, ("textures", 1): 80.0, ("textures", 2): 71.0}
_OFF = {("shapes", 1): 59.0, ("shapes", 2): 62.0, ("shapes", 3): 59.0, ("textures", 2): 75.0, ("textures", 3): 66.0}


def check_paired_effect(answer: Callable[[Values, Values], float]) -> Feedback:
    """On minus off: per seed that both have, then the mean over seeds of a dataset, then over datasets."""
    expected = fmean([fmean([1.0, 2.0, 3.0]), -4.0])
    pooled = fmean([1.0, 2.0, 3.0, -4.0])
    unpaired = fmean(_ON.values()) - fmean(_OFF.values())
    given = call(answer, (dict(_ON), dict(_OFF)))
    if isinstance(given, Feedback):
        return given
    if given is None or given is ...:
        return EMPTY
    hints = {
        pooled: "That is the mean of all pairs. A dataset with more seeds would have more weight: first the mean of "
        "every dataset, then the mean of these.",
        unpaired: "That compares runs which are no pairs: textures has seed 1 on one side and seed 3 on the other.",
        -expected: "That is off minus on.",
    }
    try:
        number = float(given)
    except (TypeError, ValueError, RuntimeError):
        return Feedback(False, f"A number is expected, yours is {given}.")
    if not math.isclose(number, expected, abs_tol=1e-6):
        hint = next((words for value, words in hints.items() if math.isclose(value, number, abs_tol=1e-6)), "")
        return Feedback(False, f"{expected:.2f} expected, yours is {number:.4g}. {hint}".strip())
    return Feedback(True, "What a seed does to both sides cancels, and every dataset has one vote.")


def check_kept(answer: Callable[[float, float, float, float], float]) -> Feedback:
    """What a switch changes in what is kept: old and new without it, old and new with it."""
    cases = [((70.0, 60.0, 72.0, 61.0), -1.0), ((70.0, 60.0, 65.0, 60.0), 5.0), ((70.0, 60.0, 73.0, 63.0), 0.0)]
    hints = {
        cases[0][0]: "It won 2 on old and 1 on new: a point of what it won is lost on the way.",
        cases[1][0]: "New did not move, but there was less to keep: the distance from old to new shrank by 5.",
        cases[2][0]: "Both moved by 3. Zero-shot is the same with and without the switch, so it cancels.",
    }
    return try_cases(answer, cases, hints, "A switch can look kind to the upgrade by spoiling old. Read all three.")


def check_holm(answer: Callable[[list[float]], Any]) -> Feedback:
    """Holm's corrected p-values, in the order given."""
    for values in ([0.01, 0.04, 0.03], [0.2, 0.001, 0.012, 0.6], [0.02, 0.015, 0.3], [0.6, 0.9]):
        expected = list(holm(dict(enumerate(values))).values())
        given = call(answer, (list(values),))
        if isinstance(given, Feedback):
            return given
        if given is None or given is ...:
            return EMPTY
        given = given.tolist() if hasattr(given, "tolist") else given
        if not isinstance(given, list | tuple) or len(given) != len(values):
            return Feedback(False, f"A list of {len(values)} numbers is expected, yours is {given}.")
        if not all(math.isclose(float(g), e, abs_tol=1e-9) for g, e in zip(given, expected, strict=True)):
            shown = [round(float(g), 4) for g in given]
            words = f"For {values}: {[round(e, 4) for e in expected]} expected, yours is {shown}."
            return Feedback(False, f"{words} {_holm_hint(values, list(map(float, given)))}".strip())
    return Feedback(True, "The smallest p pays for all comparisons, the next for one less, and none is below the last.")


def _holm_hint(values: list[float], given: list[float]) -> str:
    n, order = len(values), sorted(range(len(values)), key=values.__getitem__)
    steps = {k: (n - rank) * values[k] for rank, k in enumerate(order)}

    def is_(others: list[float]) -> bool:
        return all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(given, others, strict=True))

    if is_([min(1.0, n * v) for v in values]) or is_([n * v for v in values]):
        return "That is Bonferroni: every p times how many there are. Holm multiplies the k-th smallest by n + 1 − k."
    if is_([min(1.0, steps[k]) for k in range(n)]):
        return "The factors are right. A corrected p must not be below that of a smaller p: carry the largest along."
    if is_([steps[k] for k in range(n)]) or any(g > 1 for g in given):
        return "A probability is at most 1."
    if sorted(given) == given and values != sorted(values):
        return "Give them back in the order in which they came."
    return ""


def check_score_by_heads(answer: Callable[[int, bool], float]) -> Feedback:
    """Size of a score with h heads relative to one head: sums over D/h channels, divided by √(D/h) or by √D."""
    cases = [((1, False), 1.0), ((4, False), 1.0), ((4, True), 0.5), ((16, True), 0.25), ((16, False), 1.0)]
    hints = {
        (4, False): "A sum of D/4 products is half as large, and so is its divisor √(D/4).",
        (4, True): "A sum of D/4 independent products is √4 times smaller, not 4 times; the divisor √D stays.",
        (16, True): "√(D/16) products against √D: a quarter.",
    }
    return try_cases(answer, cases, hints, "Scores over √(D/h) do not depend on h. That they are near 0 stays true.")
