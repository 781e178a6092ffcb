"""The book's exercises check themselves: each function tries a reader's answer and says in a sentence how it went.

    check_harmonic_mean(my_function)      # Feedback: "Not yet. …" or "Right. …", true only if it is right

Nothing is raised, whatever the answer does, so that a chapter with open exercises still runs from top to bottom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from clipcompat_book.exercises.feedback import EMPTY, Feedback, call, try_cases


def check_harmonic_mean(answer: Callable[[float, float], float]) -> Feedback:
    """Start here: H of an old and a new accuracy."""
    cases = [((80, 80), 80.0), ((90, 10), 18.0), ((60, 30), 40.0), ((0, 0), 0.0)]
    hints = {(90, 10): "That would be 50 for the ordinary mean; H punishes the weaker side.",
             (0, 0): "Two zeros must give 0, not a division by zero."}  # fmt: skip
    return try_cases(
        answer, cases, hints, "H is nearer the weaker of the two, so neither side can be bought with the other."
    )


def check_kept_gain(answer: Callable[[float, float, float], float | None]) -> Feedback:
    """Start here: kept gain from new, zs_new and retrained; None where retraining gains less than a point."""
    cases = [
        ((70, 50, 75), 0.8),
        ((50, 50, 80), 0.0),
        ((45, 50, 60), -0.5),
        ((70, 50, 50.5), None),
        ((49, 50, 48), None),
    ]
    hints = {(45, 50, 60): "A carried plug-in that is worse than zero-shot has kept less than nothing.",
             (70, 50, 50.5): "Retraining gains half a point here: too little to have a share of. Return None.",
             (49, 50, 48): "Retraining loses here; there is no gain to keep. Return None."}  # fmt: skip
    return try_cases(answer, cases, hints, "A share of next to nothing is undefined, and says so.")


def check_negative_flips(answer: Callable[[Any, Any], float]) -> Feedback:
    """Start here: percent of images right on old and wrong on new, from two bool tensors [image]."""
    import torch

    def flags(text: str) -> Any:
        return torch.tensor([c == "1" for c in text])

    cases = [
        ((flags("1100"), flags("1010")), 25.0),
        ((flags("0011"), flags("1111")), 0.0),
        ((flags("1111"), flags("0000")), 100.0),
    ]
    return try_cases(answer, cases, {}, "Two backbones with equal accuracy can still disagree on many images.")


def check_attention(answer: Callable[..., Any]) -> Feedback:
    """ContCoOp: Attn(p, c_i) for one class, from p [N, D], c [M, D] and maps W_Q, W_K, W_V, W_O [D, D], y = x · Wᵀ."""
    import torch

    from clipcompat.methods.parts.attention import Attention, attend

    generator = torch.Generator().manual_seed(1)
    maps = Attention().parameters(8, generator)
    context, name = torch.randn(3, 8, generator=generator), torch.randn(2, 8, generator=generator)
    expected = attend(Attention(), maps, context, name[None], torch.ones(1, 2, dtype=torch.bool))[0]
    given = call(answer, (context, name, *(maps[f"attn.{letter}.weight"] for letter in "qkvo")))
    if isinstance(given, Feedback):
        return given
    if given is None or given is ...:
        return EMPTY
    if not isinstance(given, torch.Tensor) or given.shape != expected.shape:
        came = list(given.shape) if isinstance(given, torch.Tensor) else given
        return Feedback(False, f"Attn(p, c) has one row for each of the 3 context rows, [3, 8]; yours is {came}.")
    if torch.allclose(given, expected, atol=1e-5):
        return Feedback(True, "It equals the library's layer.")
    if torch.allclose(given, expected + context, atol=1e-5):
        return Feedback(False, "That is p + Attn(p, c); return Attn(p, c) alone.")
    return Feedback(False, "The shape is right, the numbers are not. Look at √D, at the softmax over rows, and at Wᵀ.")


def check_parameter_count(answer: Callable[[int, int], int]) -> Feedback:
    """ContCoOp: how many numbers ContCoOp learns, from N context tokens and D channels."""
    cases = [((16, 512), 1_056_768), ((16, 768), 2_371_584), ((4, 128), 66_048)]
    hints = {(16, 512): "Count p once, and the four maps W_Q, W_K, W_V, W_O; none has a bias."}
    return try_cases(answer, cases, hints, "Nearly all of them are in the four maps.")


def check_distillation(answer: Callable[[Any, Any], Any]) -> Feedback:
    """ContCoOp: (1/C) Σ ‖w_i − w_i^zs‖₂ of class weights [class, dim] that still have to be normalised."""
    import torch

    two = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    cases = [((two, two), 0.0), ((two, -two), 2.0), ((two, two.flip(0)), math.sqrt(2)), ((5 * two, two), 0.0)]
    hints = {1: "Opposite unit vectors are 2 apart; 4 would be the squared distance.",
             2: "Take a distance for every class, then the mean over classes.",
             3: "Weights of different length but equal direction are the same classifier: normalise both."}  # fmt: skip
    return try_cases(answer, cases, hints, "Zero only where every class points where zero-shot points.")


def check_unsaid(answer: Callable[[list[str], list[str]], int]) -> Feedback:
    """The miniature world: how many of these words no caption says."""
    cases = [
        ((["ring", "orb"], ["a ring", "two rings"]), 1),
        ((["ring"], ["a ringed thing"]), 1),
        ((["bow tie"], ["a bow and a tie"]), 1),
        ((["disc"], ["a red disc."]), 0),
    ]
    hints = {1: "“ringed” is another word: compare whole words.", 2: "A name of two words must be said in one piece.",
             3: "A full stop is no part of a word."}  # fmt: skip
    return try_cases(answer, cases, hints, "What is never said has no meaning for the text tower, only letters.")


def check_headroom(answer: Callable[[list[float], list[list[float]]], int]) -> Feedback:
    """The miniature world: on how many sets the probe's mean over seeds is at least 5 points above zero-shot."""
    cases = [
        (([50.0, 60.0], [[56.0, 58.0], [62.0, 62.0]]), 1),
        (([40.0], [[45.0]]), 1),
        (([40.0, 80.0], [[30.0, 64.0], [90.0, 70.0]]), 1),
    ]
    hints = {1: "Exactly 5 points are enough: at least 5 are asked for.",
             2: "Seeds differ: take their mean first, and then compare."}  # fmt: skip
    return try_cases(answer, cases, hints, "Without headroom no method can gain, and none can be told from another.")


def check_cache_count(answer: Callable[[int, int, int], int]) -> Feedback:
    """Methods: how many numbers Tip-Adapter carries, from classes, shots and the length of a feature."""
    cases = [((10, 1, 4), 142), ((12, 16, 128), 26_882), ((1000, 16, 512), 24_192_002)]
    hints = {(10, 1, 4): "Ten keys of 4 numbers, ten one-hot values of 10 numbers, and α and β: 40 + 100 + 2."}
    return try_cases(answer, cases, hints, "It grows with the classes, twice over; a context does not grow at all.")


def check_affinity_gap(answer: Callable[[Any, Any, Any], Any]) -> Feedback:
    """Methods: mean affinity of pictures with keys of their own class, minus that with all other keys.

    answer: affinities [image, key], labels of the images, labels of the keys.
    """
    import torch

    A = torch.tensor([[0.9, 0.1, 0.3], [0.2, 0.8, 0.6]])
    images, keys = torch.tensor([0, 1]), torch.tensor([0, 1, 1])
    own, other = (0.9 + 0.8 + 0.6) / 3, (0.1 + 0.3 + 0.2) / 3
    cases = [
        ((A, images, keys), own - other),
        ((A, 1 - images, keys), other - own),
        ((A[:1], images[:1], keys), 0.9 - 0.2),
        ((torch.full((2, 3), 0.7), images, keys), 0.0),
    ]
    hints = {0: "Own class: 0.9, 0.8, 0.6. Other keys: 0.1, 0.3, 0.2. A mean over pairs each, and their difference.",
             2: "One image here, of class 0: one key is its own, two are not."}  # fmt: skip
    return try_cases(answer, cases, hints, "Above 0, the keys know their class. At 0, the cache adds noise.")


def check_rotated_probe(answer: Callable[[Any, Any], Any]) -> Feedback:
    """Methods: the probe W' [class, dim] that gives on features R f the logits that W gives on f; R is orthogonal."""
    import torch

    generator = torch.Generator().manual_seed(1)
    f, W = torch.randn(5, 4, generator=generator), torch.randn(3, 4, generator=generator)
    R = torch.linalg.qr(torch.randn(4, 4, generator=generator))[0]
    given = call(answer, (W, R))
    if isinstance(given, Feedback):
        return given
    if given is None or given is ...:
        return EMPTY
    if not isinstance(given, torch.Tensor) or given.shape != W.shape:
        came = list(given.shape) if isinstance(given, torch.Tensor) else given
        return Feedback(False, f"W' has the shape of W, here [3, 4]; yours is {came}.")
    if torch.allclose(f @ R.T @ given.T, f @ W.T, atol=1e-4):
        return Feedback(True, "Who knows R loses nothing. Without pictures nobody knows R.")
    if torch.allclose(f @ R @ given.T, f @ W.T, atol=1e-4):
        return Feedback(False, "That undoes the rotation in the wrong direction: W' R f must be W f, so W' R = W.")
    return Feedback(False, "The shape is right, the numbers are not. For every f, W' R f must be W f.")


def check_hold_out(answer: Callable[[int], Any]) -> Feedback:
    """Your own pictures: training, validation and test pictures of a class of n, as the rule divides them."""
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
    """Your own pictures: how many classes have a name that reads like another's, whatever its case and underscores."""
    cases = [
        ((["cat", "dog"],), 0),
        ((["Cat", "cat"],), 2),
        ((["sea_lake", "sea lake", "sea"],), 2),
        ((["a_b", "a  b", "A B", "c"],), 3),
    ]
    hints = {1: "A tokenizer lowers the case, so these are one prompt. Both classes count.",
             2: "An underscore is read as a space.", 3: "Two spaces are read as one."}  # fmt: skip
    return try_cases(answer, cases, hints, "Such classes share one text vector, and no plug-in can tell them apart.")


def check_enough(answer: Callable[[dict[int, float]], int]) -> Feedback:
    """Your own pictures: the fewest shots from which on all accuracies are within a point of that of the most shots."""
    cases = [
        (({1: 50.0, 2: 70.0, 4: 79.5, 8: 80.2, 16: 80.0},), 4),
        (({1: 50.0, 16: 80.0},), 16),
        (({1: 79.5, 2: 60.0, 4: 79.6, 8: 80.0},), 4),
        (({1: 90.0, 2: 80.0},), 1),
    ]
    hints = {0: "At 4 shots half a point is missing, at 2 shots ten.",
             1: "Nothing smaller is within a point: the most shots are the answer.",
             2: "1 shot is near, but 2 shots are not: a lucky draw is not enough.",
             3: "More is fine, too: only what is missing counts."}  # fmt: skip
    return try_cases(answer, cases, hints, "If it is the most that you tried, you have not seen the curve end.")


def check_row_count(answer: Callable[[list[int], int], int]) -> Feedback:
    """Performance: rows that are left of prompts of these lengths (EOT included), of which the first few are shared."""
    cases = [(([20, 21, 24], 17), 31), (([20], 17), 20), (([5, 9, 7], 0), 21), (([20, 20], 1), 39)]
    hints = {0: "17 rows once, and 3, 4 and 7 of their own.",
             2: "Nothing is shared: all rows of all prompts, and no padding."}  # fmt: skip
    return try_cases(answer, cases, hints, "One more class costs the few rows of its name.")


def check_shared_rows(answer: Callable[[str, int, bool], int]) -> Feedback:
    """Performance: how many leading rows all prompts share, by position of the name, n_ctx, and one context a class?"""
    cases = [
        (("end", 16, False), 17),
        (("middle", 16, False), 9),
        (("front", 16, False), 1),
        (("end", 16, True), 1),
        (("end", 4, False), 5),
    ]
    hints = {0: "SOS and the whole context come before the name.", 1: "SOS, and half of the context.",
             2: "Only SOS comes before the name. The context is the same, but it comes after something that differs.",
             3: "A context of its own for every class: only SOS is the same."}  # fmt: skip
    return try_cases(answer, cases, hints, "Rows are shared up to the first one that differs, and not one further.")


def check_flop_ratio(answer: Callable[[int, int, int, int], float]) -> Feedback:
    """Performance: linear maps at full length over those needed, from classes, packed rows, layers and context."""

    def ratio(classes: int, rows: int, layers: int, context: int) -> float:
        return 12 * layers * classes * context / (12 * (layers - 1) * rows + 2 * rows + 10 * classes)

    cases = [(sizes, ratio(*sizes)) for sizes in ((1, 77, 1, 77), (47, 249, 12, 77), (1000, 5300, 12, 77))]
    hints = {0: "One block, which is the last: 2 D² for each of the 77 rows, and 10 D² for one row alone.",
             1: "Eleven blocks with 12 D² a row; in the last 2 D² a row, and 10 D² a class."}  # fmt: skip
    return try_cases(answer, cases, hints, "This is the ratio that arithmetic allows; kernels decide what is reached.")


def check_chunk_time(answer: Callable[[dict[str, int]], float]) -> Feedback:
    """Performance: time against keeping everything, from rows by what is kept: "everything", "blocks", "nothing"."""
    cases = [
        (({"everything": 10},), 1.0),
        (({"nothing": 10},), 1.5),
        (({"blocks": 10},), 4 / 3),
        (({"everything": 10, "nothing": 10},), 1.25),
        (({"everything": 30, "blocks": 60, "nothing": 10},), 1.25),
    ]
    hints = {0: "Forward and backward, 2, over the same.", 1: "Forward, forward again, backward: 3 instead of 2.",
             2: "The second time forward is but two thirds of one: 2⅔ instead of 2.",
             3: "Half of the rows take 3, the other half 2."}  # fmt: skip
    return try_cases(answer, cases, hints, "By count, never more than half as long again; a clock may say more.")
