"""Maps between feature spaces the slow way: low rank by descent from a random start, the residual by hand in NumPy, and
rows rotated one by one, the rotation from an eigendecomposition."""

from __future__ import annotations

import math

import numpy as np
import torch


def low_rank(x: np.ndarray, y: np.ndarray, strength: float, rank: int) -> np.ndarray:
    """[dim of y, dim of x]: minimises the sum of (y - A x)² + μ · the sum of A² over A = U V of the rank, centred."""
    x, y = (torch.from_numpy(rows - rows.mean(0)) for rows in (x, y))
    penalty = strength * float((x**2).sum()) / x.shape[1]
    generator = torch.Generator().manual_seed(5)
    u = torch.randn(y.shape[1], rank, generator=generator, dtype=torch.float64, requires_grad=True)
    v = torch.randn(rank, x.shape[1], generator=generator, dtype=torch.float64, requires_grad=True)
    descent = torch.optim.LBFGS([u, v], max_iter=3000, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss():
        descent.zero_grad()
        value = ((y - x @ (u @ v).T) ** 2).sum() + penalty * ((u @ v) ** 2).sum()
        value.backward()
        return value

    descent.step(loss)
    return (u @ v).detach().numpy()


def residual(x: np.ndarray, rest: np.ndarray, first: np.ndarray, steps: int, rate: float, decay: float):
    """What a network of x says of `rest` after training: a function of rows. Gradients and AdamW are written out."""
    erf = np.vectorize(math.erf)
    mean, deviation = x.mean(0), math.sqrt(((x - x.mean(0)) ** 2).mean())
    z = (x - mean) / deviation
    learned = [first.copy(), np.zeros(len(first)), np.zeros((rest.shape[1], len(first))), np.zeros(rest.shape[1])]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in learned]
    for step in range(1, steps + 1):
        w1, b1, w2, b2 = learned
        a = z @ w1.T + b1
        normal = 0.5 * (1 + erf(a / math.sqrt(2)))
        slope = normal + a * np.exp(-(a**2) / 2) / math.sqrt(2 * math.pi)
        wrong = 2 * ((a * normal) @ w2.T + b2 - rest) / len(x)
        back = (wrong @ w2) * slope
        gradients = (back.T @ z, back.sum(0), wrong.T @ (a * normal), wrong.sum(0))
        for i, gradient in enumerate(gradients):
            m, v = moments[i]
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            moments[i] = (m, v)
            move = (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
            learned[i] = learned[i] * (1 - rate * decay) - rate * move
    w1, b1, w2, b2 = learned

    def answer(rows: np.ndarray) -> np.ndarray:
        a = (rows - mean) / deviation @ w1.T + b1
        return (a * 0.5 * (1 + erf(a / math.sqrt(2)))) @ w2.T + b2

    return answer


def turned(rows: np.ndarray, x: np.ndarray, y: np.ndarray, x_mean: np.ndarray, y_mean: np.ndarray) -> np.ndarray:
    """Directions of rows, turned by the rotation that takes x to y, about x_mean, then shifted to y_mean; unit norm.

    x, y: [sentence, dim]. The rotation is the polar factor M (M^T M)^(-1/2) of M = Y^T X, both centred and of unit
    norm before that.
    """
    x, y = ([row / math.sqrt(sum(row**2)) for row in seen] for seen in (x, y))
    x, y = (np.array(seen) - sum(seen) / len(seen) for seen in (x, y))
    m = sum(np.outer(b, a) for a, b in zip(x, y, strict=True))
    values, vectors = np.linalg.eigh(m.T @ m)
    rotation = np.zeros_like(m)
    for value, vector in zip(values, vectors.T, strict=True):
        if value > 1e-12 * values[-1]:  # what no sentence shows is dropped
            rotation += np.outer(m @ vector, vector) / math.sqrt(value)
    found = [rotation @ (row / math.sqrt(sum(row**2)) - x_mean) + y_mean for row in rows]
    return np.array([row / math.sqrt(sum(row**2)) for row in found])
