"""The exercises on the miniature world: unsaid words and headroom."""

from __future__ import annotations

from collections.abc import Callable

from clipcompat_book.exercises.feedback import Feedback, try_cases


def check_unsaid(answer: Callable[[list[str], list[str]], int]) -> Feedback:
    """How many of these words no caption says."""
    cases = [
        ((["ring", "orb"], ["a ring", "two rings"]), 1),
        ((["ring"], ["a ringed thing"]), 1),
        ((["bow tie"], ["a bow and a tie"]), 1),
        ((["disc"], ["a red disc."]), 0),
    ]
    hints = {
        1: "“ringed” is another word: compare whole words.",
        2: "A name of two words must be said in one piece.",
        3: "A full stop is no part of a word.",
    }
    return try_cases(answer, cases, hints, "What is never said has no meaning for the text tower, only letters.")


def check_headroom(answer: Callable[[list[float], list[list[float]]], int]) -> Feedback:
    """On how many sets the probe's mean over seeds is at least 5 points above zero-shot."""
    cases = [
        (([50.0, 60.0], [[56.0, 58.0], [62.0, 62.0]]), 1),
        (([40.0], [[45.0]]), 1),
        (([40.0, 80.0], [[30.0, 64.0], [90.0, 70.0]]), 1),
    ]
    hints = {
        1: "Exactly 5 points are enough: at least 5 are asked for.",
        2: "Seeds differ: take their mean first, and then compare.",
    }
    return try_cases(answer, cases, hints, "Without headroom no method can gain, and none can be told from another.")
