"""What is measured is one function: the plain way and the fast one agree, and the limit counts what must be done."""

from __future__ import annotations

import pytest
import torch

from benchmarks.limits import required_flops
from benchmarks.padded import KERNELS, fastest
from benchmarks.steps import Case, Step, measure
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp

NAMES = ("owl", "red fox", "snow leopard cub")
CASES = [
    Case("coop", CoOp(), NAMES),
    Case("contcoop", ContCoOp(), NAMES),
    Case("cocoop", CoCoOp(ctx_init=None), NAMES, images=4),
]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("side", ["mini_old", "mini_new"])
def test_both_ways_of_a_step_agree(side, case, kernel, request):
    step = Step(case, request.getfixturevalue(side))
    fast, ours = step.fast(), step.gradients()
    plain, theirs = step.plain(kernel, most=2), step.gradients()
    assert ours.abs().max() > 0
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


def test_a_row_has_what_the_table_shows(mini_old):
    said = []
    row = measure(CASES[0], mini_old, 1, said.append)
    assert row["name"] == "coop" and row["reference"] in KERNELS and len(said) == 1
    assert row["ratio"] == pytest.approx(row["reference_s"] / row["fast_s"]) and row["max_abs_diff"] < 1e-4


def test_the_fastest_kernel_has_the_smallest_median():
    assert fastest({"a": [1.0, 9.0, 9.0], "b": [5.0, 5.0, 8.0]}) == "b"


@pytest.mark.parametrize("shared", [0, 3])
def test_required_flops_are_those_of_counting_row_by_row(shared):
    width, layers, dim, lengths = 8, 3, 6, [5, 7, 4]
    total = 0
    rows = [(None, t) for t in range(shared)] + [(i, t) for i, n in enumerate(lengths) for t in range(shared, n)]
    for layer in range(layers):
        for prompt, token in rows:
            last = layer == layers - 1
            read = not last or (prompt is not None and token == lengths[prompt] - 1)
            total += 2 * 2 * width * width * 2  # keys and values, forward and backward
            if read:
                total += 2 * (2 * width**2 + 8 * width**2) * 2  # query, output and the wide layers
                total += 3 * 2 * 2 * width * (token + 1)  # scores and mixing, backward twice
    total += len(lengths) * 2 * width * dim * 2
    assert required_flops(lengths, shared, width, layers, dim) == pytest.approx(total)


def test_at_77_tokens_the_count_is_open_clips():
    """open_clip's model profile: 5.96 GFLOP a text, B/16, in which the last block runs for all rows."""
    forward = required_flops([77], 0, 512, 12, 512, backward=False)
    whole = forward + 76 * 2 * 10 * 512**2 + 2 * 2 * 512 * (77 * 77 * 12 - 11 * 77 * 78 / 2 - 77)
    assert whole == pytest.approx(5.96e9, rel=0.01)
