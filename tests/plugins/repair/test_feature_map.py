"""Maps between feature spaces, against scipy's Procrustes, normal equations, and spaces whose relation is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.plugins.repair.feature_map import FEWEST, MAPS, fit_map


def features(pictures: int = 40, dim: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(pictures, dim, generator=torch.Generator().manual_seed(seed)) + 3


def rotation(dim: int = 6, seed: int = 1) -> torch.Tensor:
    return torch.linalg.qr(features(dim, dim, seed))[0]


def test_a_rotated_and_shifted_space_is_found_exactly_by_the_rotation():
    x, q = features(), rotation()
    y = x @ q.T + 5
    found = fit_map(x, y, "orthogonal")
    assert torch.allclose(found.matrix, q, atol=1e-5)
    assert torch.allclose(found(features(seed=9)), features(seed=9) @ q.T + 5, atol=1e-4)


def test_the_rotation_is_that_of_scipy_on_centred_features():
    x, y = features(), features(seed=2)
    found = fit_map(x, y, "orthogonal").matrix.numpy()
    ours, theirs = (x - x.mean(0)).double().numpy(), (y - y.mean(0)).double().numpy()
    expected, _ = orthogonal_procrustes(ours, theirs)  # theirs ≈ ours @ expected
    assert np.abs(found - expected.T).max() < 1e-5


def test_ridge_solves_its_normal_equations():
    x, y, strength = features(), features(dim=4, seed=2), 0.3
    found = fit_map(x, y, "ridge", strength)
    a, b = (x - x.mean(0)).double().numpy(), (y - y.mean(0)).double().numpy()
    gram = a.T @ a
    penalty = strength * np.trace(gram) / len(gram)
    expected = np.linalg.inv(gram + penalty * np.eye(len(gram))) @ a.T @ b
    assert found.matrix.shape == (4, 6)
    assert np.abs(found.matrix.numpy() - expected.T).max() < 1e-5
    assert torch.allclose(found(x).mean(0), y.mean(0), atol=1e-5)


def test_a_relaxed_map_lies_between_the_rotation_and_least_squares():
    x, y = features(), features(seed=2)
    rotated = fit_map(x, y, "orthogonal").matrix
    assert torch.allclose(fit_map(x, y, "relaxed", 1e6).matrix, rotated, atol=1e-4)
    assert torch.allclose(fit_map(x, y, "relaxed", 1e-9).matrix, fit_map(x, y, "ridge", 1e-9).matrix, atol=1e-4)


def test_directions_that_no_picture_shows_are_dropped():
    x = features(FEWEST, 20)
    found = fit_map(x, x, "orthogonal").matrix
    shown = torch.linalg.svd(x - x.mean(0), full_matrices=False)[2][: FEWEST - 1]  # [direction, dim]
    assert torch.allclose(found, shown.T @ shown, atol=1e-4)


@pytest.mark.parametrize("kind", MAPS)
def test_dims_may_differ(kind):
    assert fit_map(features(dim=6), features(dim=3), kind)(features(2, 6)).shape == (2, 3)


def test_what_cannot_be_fitted_is_refused():
    x = features()
    with pytest.raises(UnknownNameError, match="unknown map 'affine'"):
        fit_map(x, x, "affine")
    with pytest.raises(ConfigError, match="strength must be above 0"):
        fit_map(x, x, "ridge", 0.0)
    with pytest.raises(DataError, match="these are 40 and 39"):
        fit_map(x, x[1:])
    with pytest.raises(DataError, match=f"at least {FEWEST} pictures"):
        fit_map(x[: FEWEST - 1], x[: FEWEST - 1])
    with pytest.raises(DataError, match="pictures that differ"):
        fit_map(torch.ones(20, 6), x[:20], "ridge")
