"""CKA from sums over batches, against matrices of inner products and the definition of the unbiased estimate."""

from __future__ import annotations

import pytest
import torch

from clipcompat.studies.drift.cka import LinearCKA
from tests.reference.drift import debiased_cka, linear_cka


def noise(*shape, seed=1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def of(x, y, batch=3) -> LinearCKA:
    cka = LinearCKA()
    for rows in zip(x.split(batch), y.split(batch), strict=True):
        cka.add(*rows)
    return cka


@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_it_equals_the_slow_reference_for_any_widths_and_means(shift):
    x, y = noise(7, 5) + shift, noise(7, 3, seed=2) - shift
    y[:, 0] += x[:, 1]
    found = of(x, y)
    assert found.value == pytest.approx(linear_cka(x, y), rel=1e-6)
    assert found.debiased == pytest.approx(debiased_cka(x, y), rel=1e-5)


def test_golden_numbers():
    x, y = torch.eye(4), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    # centred: XᵀX = I − J/4 (norm √3), YᵀY = I (norm √2), ‖XᵀY‖² = 2
    assert of(x, y).value == pytest.approx(2 / (3**0.5 * 2**0.5))


def test_rotation_and_scale_change_nothing_and_the_order_of_batches_neither():
    x = noise(20, 6)
    rotation = torch.linalg.qr(noise(6, 6, seed=3))[0]
    assert of(x, 3 * x @ rotation + 7).value == pytest.approx(1, abs=1e-5)
    assert of(x, 3 * x @ rotation + 7).debiased == pytest.approx(1, abs=1e-5)
    y = noise(20, 6, seed=4)
    assert of(x, y).value == pytest.approx(of(x, y, batch=20).value, abs=1e-9)


def test_unrelated_features_of_few_rows_look_alike_unless_debiased():
    values = [of(noise(12, 128, seed=s), noise(12, 128, seed=s + 100)) for s in range(20)]
    assert min(cka.value for cka in values) > 0.85
    assert abs(sum(cka.debiased for cka in values) / 20) < 0.1


def test_rows_that_do_not_vary_and_too_few_rows_have_no_similarity():
    constant = torch.ones(5, 3)
    assert of(constant, noise(5, 3)).value is None and of(noise(5, 3), constant).debiased is None
    assert of(noise(3, 2), noise(3, 2)).debiased is None and of(noise(3, 2), noise(3, 2)).value == pytest.approx(1)
    assert LinearCKA().value is None and LinearCKA().debiased is None
