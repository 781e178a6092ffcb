"""Channel invariance beside its control: the numbers can say that a step keeps no more than a random one, and less."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clipcompat.common.errors import ConfigError
from clipcompat.studies.drift.channels import channel_invariance


def prompt(seed: int = 0, tokens: int = 4, width: int = 64):
    return torch.randn(tokens, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_correlation_overlap_and_step_are_those_of_numpy():
    first, second = prompt(), prompt() + 0.5 * prompt(1)
    found = channel_invariance(first, second)
    rows = list(zip(first.numpy(), second.numpy(), strict=True))
    assert found.correlation == pytest.approx(np.mean([np.corrcoef(a, b)[0, 1] for a, b in rows]))
    top = [set(np.argsort(-abs(x))[:8].tolist()) for pair in rows for x in pair]
    assert found.overlap == pytest.approx(np.mean([len(a & b) / 8 for a, b in zip(top[::2], top[1::2], strict=True)]))
    assert found.step == pytest.approx(np.mean([np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in rows]))


def test_a_step_along_the_prompt_keeps_more_than_a_random_one():
    first = prompt()
    found = channel_invariance(first, 1.5 * first)
    assert found.correlation == pytest.approx(1) and found.overlap == 1
    assert found.random_correlation < 0.95 and found.random_overlap < 1


def test_a_random_step_keeps_what_a_random_one_keeps():
    first = prompt(tokens=64)
    found = channel_invariance(first, first + 0.5 * prompt(1, tokens=64))
    assert found.correlation == pytest.approx(found.random_correlation, abs=0.02)
    assert found.overlap == pytest.approx(found.random_overlap, abs=0.03)


def test_a_step_against_the_largest_channels_refutes_the_claim():
    first = prompt()
    largest = first.abs() >= first.abs().topk(16, dim=1).values[:, -1:]
    found = channel_invariance(first, torch.where(largest, 0.2 * first, first))
    assert found.correlation < found.random_correlation - 0.05 and found.overlap < found.random_overlap - 0.2


@pytest.mark.parametrize(
    ("second", "says"), [(prompt(tokens=3), "of one shape"), (prompt(), "no training came between them")]
)
def test_prompts_of_other_shapes_and_equal_ones_are_refused(second, says):
    with pytest.raises(ConfigError, match=says):
        channel_invariance(prompt(), second)
