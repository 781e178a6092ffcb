"""How a reader's answer to an exercise is tried, case by case; whatever it does, a sentence comes back.

    check_harmonic_mean(my_function)      # Feedback: "Not yet. …" or "Right. …", true only if it is right

Nothing is raised, so that a chapter with open exercises still runs from top to bottom.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Feedback:
    """What a check found; true where the answer is right, and a sentence when shown."""

    right: bool
    words: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return textwrap.fill(f"{'✓ Right.' if self.right else '○ Not yet.'} {self.words}", 68)


_PRINTED = 20  # numbers of a tensor
EMPTY = Feedback(False, "Your function returns nothing yet.")


def try_cases(
    answer: Callable, cases: Sequence[tuple[tuple, float | None]], hints: Mapping[Any, str], moral: str
) -> Feedback:
    """Try every case in turn, and report the first that fails.

    cases: (arguments, the number or None that they must give). hints: by arguments, or by a case's number.
    moral: the sentence after a right answer.
    """
    for number, (arguments, expected) in enumerate(cases):
        given = call(answer, arguments)
        if isinstance(given, Feedback):
            return given
        if expected is not None and (given is None or given is ...):
            return EMPTY
        if not _same(given, expected):
            hint = hints.get(number) or (hints.get(arguments, "") if _plain(arguments) else "")
            shown = ", ".join(_short(a) for a in arguments)
            words = f"For ({shown}): {_short(expected)} expected, yours is {_short(given)}."
            return Feedback(False, f"{words} {hint}".strip())
    return Feedback(True, moral)


def call(answer: Callable, arguments: tuple) -> Any:
    """What the answer returns, or the Feedback that it raised something."""
    try:
        return answer(*arguments)
    except Exception as error:  # a reader's code may raise anything
        return Feedback(False, f"It raised {type(error).__name__}: {error}.")


def call_for_tensor(answer: Callable, arguments: tuple, shape: torch.Size, wanted: str) -> Any:
    """The tensor of this shape that the answer returns, or the Feedback that it returns something else.

    wanted: the sentence on the shape, up to what came instead.
    """
    given = call(answer, arguments)
    if isinstance(given, Feedback):
        return given
    if given is None or given is ...:
        return EMPTY
    if not isinstance(given, torch.Tensor) or given.shape != shape:
        came = list(given.shape) if isinstance(given, torch.Tensor) else given
        return Feedback(False, f"{wanted}; yours is {came}.")
    return given


def _same(given: Any, expected: float | None) -> bool:
    if expected is None or given is None or given is ...:
        return given is expected
    try:
        return math.isclose(float(given), expected, rel_tol=1e-4, abs_tol=1e-4)
    except (TypeError, ValueError, RuntimeError):
        return False


def _plain(arguments: tuple) -> bool:
    return all(isinstance(a, int | float) for a in arguments)


def _short(value: Any) -> str:
    if isinstance(value, torch.Tensor) and value.numel() > _PRINTED:
        return f"a tensor {list(value.shape)}"
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list) and all(isinstance(v, bool) for v in value):
        value = [int(v) for v in value]  # shorter
    return f"{value:.4g}" if isinstance(value, float) else str(value)
