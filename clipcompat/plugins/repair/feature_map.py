"""A map from one backbone's image features to another's, fitted on features of the same pictures.

With X the centred features of the first backbone and Y those of the second, both [picture, dim]:
    orthogonal  A = U Vᵀ of the singular value decomposition Yᵀ X = U S Vᵀ: the rotation that minimises ‖Y − X Aᵀ‖²,
                and 0 in directions that the pictures do not show (they are all outside fewer pictures than dims)
    ridge       A = Yᵀ X (Xᵀ X + μ I)⁻¹
    relaxed     A = Q + (Y − X Qᵀ)ᵀ X (Xᵀ X + μ I)⁻¹, Q the rotation: drawn to Q where ridge is drawn to 0
    low_rank    the A of at most `rank` that minimises what ridge minimises, ‖Y − X Aᵀ‖² + μ ‖A‖²: P A_ridge, P the
                projection on the first eigenvectors of A_ridge (Xᵀ X + μ I) A_ridgeᵀ (reduced-rank regression)
and always y = A (x − mean x) + mean y. μ is `strength` times the mean of Xᵀ X's diagonal, so that it has no unit.
    residual    ridge's y, plus a small network of x (see `residual_map`): the one kind that is not affine

Drift-Adapter's low-rank affine map U Vᵀ x + t is trained by gradient steps; low_rank is its minimum in closed form,
with ridge's penalty. Sources: rotation with a shift of means, arXiv 2602.17584; ridge, low rank and residual,
Drift-Adapter, arXiv 2509.23471; the relaxed rotation stands
for λ-orthogonality, arXiv 2509.16664, whose penalty is another, without a closed form.

Chosen on three development sets of the upgrade mini, two seeds each, 200 pictures: the rotation, with 83.7 % for the
probe and 77.2 % for Tip-Adapter. Best of seven strengths: ridge 82.9 and 76.1, relaxed 83.8 and 77.0 (at 3, the
largest). Drift-Adapter's low rank had 82.9 and 76.1 at best, with rank 64, as ridge has.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from clipcompat.common.errors import ConfigError, DataError, unknown_name
from clipcompat.plugins.repair.residual_map import ResidualMap, train_residual

COMPARED = ("orthogonal", "ridge", "relaxed")
"""Kinds that the studies `repair`, `without_pictures` and `stored_vectors` compare."""
MAPS = (*COMPARED, "low_rank", "residual")
FEWEST = 8
"""Pictures that a map is fitted on, at least. Our choice: fewer leave even the shift of means to chance."""

_SEEN = 1e-6  # of the largest singular value; below it a direction is rounding


@dataclass(frozen=True)
class FeatureMap:
    """y = matrix x + shift. matrix: [dim of y, dim of x]. shift: [dim of y]."""

    matrix: Tensor
    shift: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """[row, dim of x] -> [row, dim of y]."""
        return features @ self.matrix.T + self.shift


def fit_map(
    source: Tensor,
    target: Tensor,
    kind: str = "orthogonal",
    strength: float = 0.1,
    *,
    rank: int = 64,
    seed: int = 1,
    means: tuple[Tensor, Tensor] | None = None,
) -> FeatureMap | ResidualMap:
    """The map that takes source features to target features.

    Args:
        source, target: [picture, dim] of the same pictures, in the same order; the two dims may differ.
        kind: one of `MAPS`. strength: of all but orthogonal.
        rank: of low_rank, at most; from the smaller dim on it is ridge. seed: of residual's first weights.
        means: [dim of source] and [dim of target], which y = A (x − mean x) + mean y then takes: of other features than
            A is fitted on. Captions may give the rotation, and a few pictures the shift.

    Returns:
        A `FeatureMap`; a `ResidualMap`, which has no matrix, for "residual".

    Raises:
        UnknownNameError: no such kind. ConfigError: strength is not above 0, rank is below 1, or means for residual.
        DataError: there are fewer than 8 pictures, or not equally many features of both.
    """
    check_map(kind, strength, rank, means is not None)
    if len(source) != len(target):
        raise DataError(f"a map needs both features of every picture; these are {len(source)} and {len(target)}.")
    if len(source) < FEWEST:
        raise DataError(
            f"a map needs at least {FEWEST} pictures or sentences, and 200 are advised; these are {len(source)}. Give "
            "more."
        )
    x, y = source.detach().double().cpu(), target.detach().double().cpu()  # small matrices; MPS has no float64
    x_mean, y_mean = x.mean(0), y.mean(0)
    matrix = _matrix(x - x_mean, y - y_mean, kind, strength, rank)
    if means is not None:
        x_mean, y_mean = (mean.detach().double().cpu() for mean in means)
    found = matrix, y_mean - matrix @ x_mean
    affine = FeatureMap(*(t.to(target.device, torch.float32) for t in found))
    if kind != "residual":
        return affine
    layers = train_residual(x, y - (x @ found[0].T + found[1]), seed)
    return ResidualMap(affine, *(t.to(target.device, torch.float32) for t in layers))


def check_map(kind: str = "orthogonal", strength: float = 0.1, rank: int = 64, shifted: bool = False) -> None:
    """Refuse what `fit_map` refuses of its settings, before pictures are encoded for it. shifted: it will have means.

    Raises:
        UnknownNameError, ConfigError: see `fit_map`.
    """
    if kind not in MAPS:
        raise unknown_name("map", kind, MAPS)
    if strength <= 0:
        raise ConfigError(f"strength must be above 0, not {strength}.")
    if rank < 1:
        raise ConfigError(f"rank must be at least 1, not {rank}.")
    if kind == "residual" and shifted:
        raise ConfigError("a residual map has no shift apart from its network; choose an affine kind.")


def _matrix(x: Tensor, y: Tensor, kind: str, strength: float, rank: int) -> Tensor:
    """A, [dim of y, dim of x], from centred features [picture, dim]."""
    if kind in ("ridge", "residual"):
        return _ridge(x, y, strength)
    if kind == "low_rank":
        return _low_rank(x, y, strength, rank)
    rotation = _rotation(x, y)
    return rotation if kind == "orthogonal" else rotation + _ridge(x, y - x @ rotation.T, strength)


def _rotation(x: Tensor, y: Tensor) -> Tensor:
    u, s, v = torch.linalg.svd(y.T @ x, full_matrices=False)
    seen = s > _SEEN * s[0]
    return u[:, seen] @ v[seen]


def _ridge(x: Tensor, y: Tensor, strength: float) -> Tensor:
    gram = x.T @ x  # [dim of x, dim of x]
    penalty = strength * gram.diagonal().mean()
    if penalty == 0:
        raise DataError("a map needs pictures that differ; the features of all of these are the same.")
    return torch.linalg.solve(gram + penalty * torch.eye(len(gram), dtype=gram.dtype), x.T @ y).T


def _low_rank(x: Tensor, y: Tensor, strength: float, rank: int) -> Tensor:
    full = _ridge(x, y, strength)  # [dim of y, dim of x]
    u = torch.linalg.eigh(full @ x.T @ y).eigenvectors[:, -rank:]  # full (XᵀX + μI) fullᵀ = full Xᵀ Y; largest last
    return u @ u.T @ full
