"""Linear CKA (Kornblith et al. 2019, arXiv 1905.00414): how alike two sets of features of the same inputs are.

Equation, with centred X [n, d] and Y [n, e]:  CKA = ‖Xᵀ Y‖²_F / (‖Xᵀ X‖_F ‖Yᵀ Y‖_F).

It is 1 for features that are equal up to rotation and scale. With few rows it is too high: 12 rows of independent noise
with 128 numbers each give about 0.9. The debiased one has the unbiased estimate of HSIC (Song et al. 2012) in place of
all three norms, as Nguyen et al. do (2021, arXiv 2010.15327). It is near 0 for independent features, whatever n.
Both come from sums over rows, so rows are never kept.
"""

import math

import torch
from torch import Tensor


class LinearCKA:
    """Takes rows in batches, gives the similarity of all of them.

    Both sides are shifted by their first row, which changes no result and keeps sums small.
    """

    def __init__(self) -> None:
        self._first: tuple[Tensor, Tensor] | None = None
        self._moments: list[Tensor] = []  # of (x, x), (x, y), (y, y); see `_widened`

    def add(self, x: Tensor, y: Tensor) -> None:
        """Features of the same inputs from two places: [row, d] and [row, e]."""
        x, y = x.double(), y.double()
        if self._first is None:
            self._first = x[0].clone(), y[0].clone()
        x, y = (_widened(rows - first) for rows, first in zip((x, y), self._first, strict=True))
        moments = [x.T @ x, x.T @ y, y.T @ y]  # [d + 2, d + 2], [d + 2, e + 2], [e + 2, e + 2]
        self._moments = [a + b for a, b in zip(self._moments, moments, strict=True)] if self._moments else moments

    @property
    def value(self) -> float | None:
        """Kornblith's, 0 … 1; None where one side does not vary."""
        return _ratio([_hsic(m) for m in self._moments])

    @property
    def debiased(self) -> float | None:
        """May be a little below 0. None for fewer than 4 rows, or where one side does not vary."""
        if not self._moments or self._moments[0][-1, -1] < 4:
            return None
        return _ratio([_unbiased_hsic(m) for m in self._moments])


def _widened(rows: Tensor) -> Tensor:
    """x -> [x, ‖x‖², 1]: the products of two such rows hold every sum that either estimate needs."""
    return torch.cat([rows, rows.square().sum(1, keepdim=True), torch.ones_like(rows[:, :1])], dim=1)


def _hsic(m: Tensor) -> float:
    """‖Xᵀ Y‖²_F of centred rows."""
    centred = m[:-2, :-2] - m[:-2, -1:] * m[-1:, :-2] / m[-1, -1]
    return float(centred.square().sum())


def _unbiased_hsic(m: Tensor) -> float:
    """Song et al. 2012, equation 5, with kernels K = X Xᵀ and L = Y Yᵀ whose diagonals k and l are set to 0."""
    n = m[-1, -1]
    products, x_l, k_y = m[:-2, :-2], m[:-2, -2], m[-2, :-2]  # Σ x yᵀ, Σ x l, Σ k y
    sum_x, sum_y, k_l = m[:-2, -1], m[-1, :-2], m[-2, -2]
    trace = products.square().sum() - k_l  # tr(K L)
    ones = (sum_x.square().sum() - m[-2, -1]) * (sum_y.square().sum() - m[-1, -2])  # 1ᵀ K 1 · 1ᵀ L 1
    across = sum_x @ products @ sum_y - sum_x @ x_l - sum_y @ k_y + k_l  # 1ᵀ K L 1
    return float((trace + ones / ((n - 1) * (n - 2)) - 2 * across / (n - 2)) / (n * (n - 3)))


def _ratio(hsic: list[float]) -> float | None:
    if not hsic or min(hsic[0], hsic[2]) <= 0:
        return None
    return hsic[1] / math.sqrt(hsic[0]) / math.sqrt(hsic[2])
