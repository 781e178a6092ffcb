"""ATC, DoC and FRAP against small cases by hand, and against what they promise without a shift."""

from __future__ import annotations

import pytest
import torch

from clipcompat.audits.rivals import atc, doc, frap

SOURCE = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])
LABELS = torch.tensor([0, 1, 1, 1])  # three of four are right; the second, of 0.6, is not
TARGET = torch.tensor([[0.55, 0.45], [0.65, 0.35], [0.1, 0.9], [0.5, 0.5]])


def test_atc_counts_what_is_surer_than_the_threshold():
    assert atc(SOURCE, LABELS, TARGET) == 0.5  # above 0.6: 0.65 and 0.9
    assert atc(SOURCE, LABELS, TARGET, "entropy") == 0.5  # two classes: the same order


@pytest.mark.parametrize("score", ["confidence", "entropy"])
def test_without_a_shift_atc_gives_the_accuracy(score):
    probabilities = torch.randn(999, 6, generator=torch.Generator().manual_seed(0)).softmax(-1)
    labels = torch.randint(6, (999,), generator=torch.Generator().manual_seed(1))
    right = float((probabilities.argmax(-1) == labels).double().mean())
    assert atc(probabilities, labels, probabilities, score) == pytest.approx(right)
    assert doc(probabilities, labels, probabilities) == pytest.approx(right)
    everything = probabilities.argmax(-1)
    assert atc(probabilities, everything, probabilities, score) == 1


def test_doc_moves_the_accuracy_by_the_difference_of_confidences():
    assert doc(SOURCE, LABELS, TARGET) == pytest.approx(0.75 + 0.65 - 0.75)
    assert doc(SOURCE, LABELS, torch.eye(2)) == 1  # and stops at 1


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    first = 2 * torch.randn(300, 4, generator=generator)
    return first.softmax(-1), (first + 2 * torch.randn(300, 4, generator=generator)) / 3


def test_frap_is_what_the_surer_of_both_says_of_the_answers(pair):
    from scipy.optimize import minimize_scalar
    from scipy.spatial.distance import jensenshannon

    target, logits = pair

    def divergence(power: float) -> float:
        return float((jensenshannon(target, (logits / 10**power).softmax(-1), axis=1) ** 2).mean())

    reference = (logits / 10 ** minimize_scalar(divergence, bounds=(-2, 2), method="bounded").x).softmax(-1)
    found = 0.0
    for ours, theirs in zip(target, reference, strict=True):
        fused = (ours.max() * ours + theirs.max() * theirs) / (ours.max() + theirs.max())
        found += float(fused[ours.argmax()]) / len(target)
    assert frap(target, logits) == pytest.approx(found, abs=0.005)


def test_the_temperature_of_fraps_reference_does_not_matter(pair):
    target, logits = pair
    assert frap(target, logits) == pytest.approx(frap(target, 10 * logits), abs=1e-6)
    assert frap(target, target.log()) == pytest.approx(float(target.max(-1).values.mean()), abs=1e-6)
