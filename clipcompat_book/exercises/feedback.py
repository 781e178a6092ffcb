"""How a reader's answer to an exercise is tried: case by case, and whatever it does, a sentence comes back."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Feedback:
    """What a check found; true where the answer is right, and a sentence when shown."""

    right: bool
    words: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return textwrap.fill(f"{'✓ Right.' if self.right else '○ Not yet.'} {self.words}", 68)


EMPTY = Feedback(False, "Your function returns nothing yet.")


def try_cases(
    answer: Callable, cases: Sequence[tuple[tuple, float | None]], hints: Mapping[Any, str], moral: str
) -> Feedback:
    """Every case in turn; the first that fails is told.

    cases: (arguments, the number or None that they must give). hints: by arguments, or by a case's number.
    moral: what a right answer is told.
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
            told = f"For ({shown}): {_short(expected)} expected, yours is {_short(given)}."
            return Feedback(False, f"{told} {hint}".strip())
    return Feedback(True, moral)


def call(answer: Callable, arguments: tuple) -> Any:
    """What the answer returns, or the Feedback that it raised something."""
    try:
        return answer(*arguments)
    except Exception as error:  # a reader's code may raise anything, and is told what
        return Feedback(False, f"It raised {type(error).__name__}: {error}.")


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
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list) and all(isinstance(v, bool) for v in value):
        value = [int(v) for v in value]  # shorter, and shown beside each other
    return f"{value:.4g}" if isinstance(value, float) else str(value)
