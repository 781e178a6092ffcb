"""The exercises on the miniature world: unsaid words, headroom, and the choice of a learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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


def check_rate(answer: Callable[[Mapping[float, list[float]]], float]) -> Feedback:
    """The learning rate that its trials choose: rate -> validation accuracies; 0 where it diverged."""
    cases = [
        (({0.1: [70.0, 90.0], 0.2: [85.0, 85.0]},), 0.2),
        (({0.1: [60.0], 0.2: [50.0, 50.0]},), 0.1),
        (({0.1: [80.0, 80.0], 0.5: [90.0, 0.0]},), 0.1),
        (({0.5: [80.0, 80.0], 0.1: [75.0, 85.0]},), 0.1),
    ]
    hints = {
        0: "A single training may be lucky: compare means.",
        1: "0.2 has more trainings, not better ones: a sum grows with their number, a mean does not.",
        2: "Half of the trainings with 0.5 diverged. They count, as 0.",
        3: "Of equal means, the smaller rate is taken, wherever it stands.",
    }
    return try_cases(answer, cases, hints, "Every method had the same rates, sets and seeds, and so the same chances.")
