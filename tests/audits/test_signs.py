"""The teacher's confidence is its accuracy, and the signs are means that can be counted by hand."""

from __future__ import annotations

import pytest
import torch

from clipcompat.audits.signs import signs, teacher


@pytest.fixture
def logits():
    return 3 * torch.randn(500, 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("accuracy", [0.2, 0.55, 0.9, 0.99])
def test_the_temperature_makes_confidence_equal_to_accuracy_and_changes_no_answer(logits, accuracy):
    found = teacher(logits, accuracy)
    assert float(found.max(-1).values.mean()) == pytest.approx(accuracy, abs=1e-6)
    assert torch.equal(found.argmax(-1), logits.argmax(-1))


def test_impossible_accuracies_end_at_the_nearest_possible_one(logits):
    assert float(teacher(logits, 0.0).max(-1).values.mean()) == pytest.approx(1 / 7, abs=1e-3)
    assert float(teacher(logits, 1.0).max(-1).values.mean()) == pytest.approx(0.999, abs=1e-3)
    assert torch.equal(teacher(logits), logits.double().softmax(-1))


def test_signs_are_counted_by_hand():
    on_old = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5]], dtype=torch.float64)
    found = signs(on_old, torch.tensor([0, 2, 2]))
    assert found == pytest.approx({"held": (0.7 + 0.3 + 0.5) / 3, "old": 0.6, "same": 2 / 3})


def test_held_is_the_accuracy_of_the_answers_where_the_teacher_is_calibrated():
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(20_000, 5, generator=generator)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]  # so that it is calibrated
    answers = (logits + 2 * torch.randn(logits.shape, generator=generator)).argmax(-1)
    accuracy = float((logits.argmax(-1) == labels).double().mean())
    found = signs(teacher(4.2 * logits, accuracy), answers)  # at another temperature
    assert found["held"] == pytest.approx(float((answers == labels).double().mean()), abs=0.01)
