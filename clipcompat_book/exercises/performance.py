"""The exercises on time and memory: rows, multiplications and what is computed twice."""

from __future__ import annotations

from collections.abc import Callable

from clipcompat_book.exercises.feedback import Feedback, try_cases


def check_row_count(answer: Callable[[list[int], int], int]) -> Feedback:
    """Rows that are left of prompts of these lengths (EOT included), of which the first few are shared."""
    cases = [(([20, 21, 24], 17), 31), (([20], 17), 20), (([5, 9, 7], 0), 21), (([20, 20], 1), 39)]
    hints = {
        0: "17 rows once, and 3, 4 and 7 of their own.",
        2: "Nothing is shared: all rows of all prompts, and no padding.",
    }
    return try_cases(answer, cases, hints, "One more class costs the few rows of its name.")


def check_shared_rows(answer: Callable[[str, int, bool], int]) -> Feedback:
    """How many leading rows all prompts share, by position of the name, n_ctx, and whether contexts differ by class."""
    cases = [
        (("end", 16, False), 17),
        (("middle", 16, False), 9),
        (("front", 16, False), 1),
        (("end", 16, True), 1),
        (("end", 4, False), 5),
    ]
    hints = {
        0: "SOS and the whole context come before the name.",
        1: "SOS, and half of the context.",
        2: "Only SOS comes before the name. The context is the same, but it comes after something that differs.",
        3: "A context of its own for every class: only SOS is the same.",
    }
    return try_cases(answer, cases, hints, "Rows are shared up to the first one that differs, and not one further.")


def check_flop_ratio(answer: Callable[[int, int, int, int], float]) -> Feedback:
    """Linear maps at full length over those needed, from classes, packed rows, layers and context."""

    def ratio(classes: int, rows: int, layers: int, context: int) -> float:
        return 12 * layers * classes * context / (12 * (layers - 1) * rows + 2 * rows + 10 * classes)

    cases = [(sizes, ratio(*sizes)) for sizes in ((1, 77, 1, 77), (47, 249, 12, 77), (1000, 5300, 12, 77))]
    hints = {
        0: "One block, which is the last: 2 D² for each of the 77 rows, and 10 D² for one row alone.",
        1: "Eleven blocks with 12 D² per row; in the last 2 D² per row, and 10 D² per class.",
    }
    return try_cases(answer, cases, hints, "This is the ratio that arithmetic allows; kernels decide what is reached.")


def check_chunk_time(answer: Callable[[dict[str, int]], float]) -> Feedback:
    """Time against keeping everything, from rows by what is kept: "everything", "blocks", "nothing"."""
    cases = [
        (({"everything": 10},), 1.0),
        (({"nothing": 10},), 1.5),
        (({"blocks": 10},), 4 / 3),
        (({"everything": 10, "nothing": 10},), 1.25),
        (({"everything": 30, "blocks": 60, "nothing": 10},), 1.25),
    ]
    hints = {
        0: "Forward and backward, 2, over the same.",
        1: "Forward, forward again, backward: 3 instead of 2.",
        2: "The second time forward is but two thirds of one: 2⅔ instead of 2.",
        3: "Half of the rows take 3, the other half 2.",
    }
    return try_cases(answer, cases, hints, "By count, never more than half as long again; a clock may say more.")
