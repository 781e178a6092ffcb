"""Softmax regression as scikit-learn states it, minimised by Newton's method in float64, and CoOp's search for C."""

from __future__ import annotations

import torch


def objective(weight, bias, features, labels, c):
    """1/(2C) · |weight|² + Σ_image cross-entropy, and its gradient for [weight | bias], [class, feature + 1].

    The bias is not penalised. weight [class, feature], bias [class], all float64.
    """
    value = (weight**2).sum() / (2 * c)
    gradient = torch.cat([weight / c, torch.zeros_like(bias)[:, None]], dim=1)
    for x, label in zip(features, labels.tolist(), strict=True):
        scores = weight @ x + bias
        log_sum = torch.log(torch.exp(scores - scores.max()).sum()) + scores.max()
        value = value + log_sum - scores[label]
        error = torch.exp(scores - log_sum)
        error[label] -= 1
        gradient = gradient + error[:, None] * torch.cat([x, torch.ones_like(x[:1])])
    return value, gradient


def _curvature(weight, bias, features, c):
    """Second derivatives for [weight | bias], row by row; adding a constant to every bias changes nothing."""
    classes, width = weight.shape
    total = torch.zeros(classes * (width + 1), classes * (width + 1), dtype=weight.dtype)
    for k in range(classes):
        for j in range(width):
            total[k * (width + 1) + j, k * (width + 1) + j] = 1 / c
    for x in features:
        scores = weight @ x + bias
        shares = torch.exp(scores - scores.max()) / torch.exp(scores - scores.max()).sum()
        x = torch.cat([x, torch.ones_like(x[:1])])
        total += torch.kron(torch.diag(shares) - torch.outer(shares, shares), torch.outer(x, x))
    return total


def solve(features, labels, classes, c, steps=200):
    """(weight [class, feature], bias [class]) in float64, where the gradient is below 1e-9; the biases add up to 0."""
    features = features.double()
    both = torch.zeros(classes, features.shape[1] + 1, dtype=torch.float64)
    for _ in range(steps):
        value, gradient = objective(both[:, :-1], both[:, -1], features, labels, c)
        if gradient.norm() < 1e-9:
            return both[:, :-1], both[:, -1]
        curvature = _curvature(both[:, :-1], both[:, -1], features, c)
        for k in range(classes):  # holds the sum of the biases where it is, at 0
            for other in range(classes):
                curvature[k * len(both[0]) + len(both[0]) - 1, other * len(both[0]) + len(both[0]) - 1] += 1
        direction = torch.linalg.solve(curvature, gradient.flatten()).view_as(both)
        size, slope = 1.0, (direction * gradient).sum()
        while size > 1e-6:
            moved = both - size * direction
            if objective(moved[:, :-1], moved[:, -1], features, labels, c)[0] <= value - 1e-4 * size * slope:
                break
            size /= 2
        both = both - (size if size > 1e-6 else 1.0) * direction  # near the end rounding hides the descent
    raise ArithmeticError(f"the gradient is still {float(gradient.norm())} after {steps} steps")


def predict(features, weight, bias):
    """The first class of the largest score, for every image."""
    found = []
    for x in features.double():
        scores = [float((w * x).sum() + b) for w, b in zip(weight.double(), bias.double(), strict=True)]
        found.append(scores.index(max(scores)))
    return found


def search(score):
    """Every C tried, in order, and the winner; score(C) -> validation accuracy.

    Seven coarse values, of which the first best is taken; then eight halvings of the decade on either side of it.
    """
    tried, best = [], None
    for exponent in (6, 4, 2, 0, -2, -4, -6):
        tried.append(10.0**exponent)
        reached = score(tried[-1])
        if best is None or reached > best:
            best, peak = reached, exponent
    left, right, winner = peak - 1.0, peak + 1.0, None
    for _ in range(8):
        tried += [10.0**left, 10.0**right]
        middle = (left + right) / 2
        if score(tried[-1]) > score(tried[-2]):
            winner, left = tried[-1], middle
        else:
            winner, right = tried[-2], middle
    return tried, winner
