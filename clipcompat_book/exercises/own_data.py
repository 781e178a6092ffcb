"""The exercises on pictures of your own: how they are divided, named, and how many are enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clipcompat_book.exercises.feedback import EMPTY, Feedback, call, try_cases


def check_hold_out(answer: Callable[[int], Any]) -> Feedback:
    """Training, validation and test pictures of a class of n, as the rule divides them."""
    cases = [((10,), (5, 2, 3)), ((100,), (50, 20, 30)), ((3,), (1, 1, 1)), ((7,), (4, 1, 2)), ((11,), (6, 2, 3))]
    for arguments, expected in cases:
        given = call(answer, arguments)
        if isinstance(given, Feedback):
            return given
        if given is None or given is ...:
            return EMPTY
        if not isinstance(given, tuple | list) or tuple(given) != expected:
            return Feedback(
                False,
                f"Of {arguments[0]} pictures, {expected} are for training, validation and test; yours is {given}. Test "
                "and validation are rounded, at least 1 each, and training gets the rest.",
            )
    return Feedback(True, "Half of a class is what shots are drawn from: 16 shots need about 32 pictures.")


def check_twins(answer: Callable[[list[str]], int]) -> Feedback:
    """How many classes have a name that reads like another's, whatever its case and underscores."""
    cases = [
        ((["cat", "dog"],), 0),
        ((["Cat", "cat"],), 2),
        ((["sea_lake", "sea lake", "sea"],), 2),
        ((["a_b", "a  b", "A B", "c"],), 3),
    ]
    hints = {
        1: "A tokenizer lowers the case, so these are one prompt. Both classes count.",
        2: "An underscore is read as a space.",
        3: "Two spaces are read as one.",
    }
    return try_cases(answer, cases, hints, "Such classes share one text vector, and no plug-in can tell them apart.")


def check_enough(answer: Callable[[dict[int, float]], int]) -> Feedback:
    """The fewest shots from which on all accuracies are within a point of that of the most shots."""
    cases = [
        (({1: 50.0, 2: 70.0, 4: 79.5, 8: 80.2, 16: 80.0},), 4),
        (({1: 50.0, 16: 80.0},), 16),
        (({1: 79.5, 2: 60.0, 4: 79.6, 8: 80.0},), 4),
        (({1: 90.0, 2: 80.0},), 1),
    ]
    hints = {
        0: "At 4 shots half a point is missing, at 2 shots ten.",
        1: "Nothing smaller is within a point: the most shots are the answer.",
        2: "1 shot is near, but 2 shots are not: a lucky draw is not enough.",
        3: "More is fine, too: only what is missing counts.",
    }
    return try_cases(answer, cases, hints, "If it is the most that you tried, you have not seen the curve end.")
