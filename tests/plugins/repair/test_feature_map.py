"""Maps between feature spaces, against scipy's Procrustes, normal equations, and spaces whose relation is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.plugins.repair.feature_map import FEWEST, MAPS, fit_map
from clipcompat.plugins.repair.residual_map import DECAY, HIDDEN, RATE, STEPS, ResidualMap, train_residual
from tests.reference.feature_map import low_rank, residual


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


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_low_rank_is_what_descent_over_its_two_factors_finds(rank):
    x, y, strength = features(), features(dim=4, seed=2), 0.3
    found = fit_map(x, y, "low_rank", strength, rank=rank)
    expected = low_rank(x.double().numpy(), y.double().numpy(), strength, rank)
    assert np.abs(found.matrix.numpy() - expected).max() < 1e-4
    assert torch.linalg.matrix_rank(found.matrix, rtol=1e-4) == rank
    assert torch.allclose(found(x).mean(0), y.mean(0), atol=1e-4)


def test_low_rank_of_full_rank_is_ridge():
    x, y = features(), features(dim=4, seed=2)
    assert torch.allclose(fit_map(x, y, "low_rank", rank=9).matrix, fit_map(x, y, "ridge").matrix, atol=1e-5)


def test_the_network_of_a_residual_map_is_the_one_that_numpy_trains():
    x, rest, other = features().double(), features(dim=4, seed=2).double(), features(7, seed=4).double()
    first = torch.randn(HIDDEN, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64) / 6**0.5
    answer = residual(x.numpy(), rest.numpy(), first.numpy(), STEPS, RATE, DECAY)
    ours = ResidualMap(lambda rows: 0, *train_residual(x, rest, seed=3))(other)
    assert np.abs(ours.numpy() - answer(other.numpy())).max() < 1e-7


def test_a_residual_map_adds_a_network_to_ridge_that_fits_what_is_not_affine():
    x = features()
    y = torch.tanh(x[:, :4] - 3) * 2
    found, ridge = fit_map(x, y, "residual", seed=3), fit_map(x, y, "ridge")
    rest = train_residual(x.double(), (y - ridge(x)).double(), seed=3)
    expected = ridge(x) + ResidualMap(lambda rows: 0, *rest)(x.double()).float()
    assert (found(x) - expected).abs().max() < 0.02  # rounding of ridge's float32, through 200 steps
    assert (found(x) - y).norm() < 0.7 * (ridge(x) - y).norm()


def test_a_residual_map_is_the_same_every_time_and_touches_no_global_random_state():
    x, y = features(), features(seed=2)
    state = torch.get_rng_state()
    first, again = (fit_map(x, y, "residual", seed=3)(x) for _ in range(2))
    assert torch.equal(first, again) and torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, fit_map(x, y, "residual", seed=4)(x))


@pytest.mark.parametrize("kind", ["orthogonal", "ridge", "relaxed", "low_rank"])
def test_means_of_other_features_change_the_shift_alone(kind):
    x, y, means = features(), features(dim=4, seed=2), (torch.arange(6.0), torch.arange(4.0))
    plain, moved = fit_map(x, y, kind), fit_map(x, y, kind, means=means)
    assert torch.equal(plain.matrix, moved.matrix)
    assert torch.allclose(moved(means[0][None])[0], means[1], atol=1e-5)


@pytest.mark.parametrize("kind", MAPS)
def test_dims_may_differ(kind):
    assert fit_map(features(dim=6), features(dim=3), kind)(features(2, 6)).shape == (2, 3)


def test_what_cannot_be_fitted_is_refused():
    x = features()
    with pytest.raises(UnknownNameError, match="unknown map 'affine'"):
        fit_map(x, x, "affine")
    with pytest.raises(ConfigError, match="strength must be above 0"):
        fit_map(x, x, "ridge", 0.0)
    with pytest.raises(ConfigError, match="rank must be at least 1, not 0"):
        fit_map(x, x, "low_rank", rank=0)
    with pytest.raises(ConfigError, match="no shift apart from its network"):
        fit_map(x, x, "residual", means=(x[0], x[0]))
    with pytest.raises(DataError, match="these are 40 and 39"):
        fit_map(x, x[1:])
    with pytest.raises(DataError, match=f"at least {FEWEST} pictures"):
        fit_map(x[: FEWEST - 1], x[: FEWEST - 1])
    with pytest.raises(DataError, match="pictures that differ"):
        fit_map(torch.ones(20, 6), x[:20], "ridge")
