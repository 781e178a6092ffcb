"""TaskRes (arXiv 2211.10277) one class at a time, and Adam by hand."""

from __future__ import annotations

import torch


def class_vectors(base, residual, alpha):
    """Text features [class, dim] of any norm -> vectors of unit norm with the residual added."""
    rows = [t + alpha * x for t, x in zip(base, residual, strict=True)]
    return torch.stack([row / row.norm() for row in rows])


def adam_step(value, gradient, state, rate, weight_decay=5e-4, eps=1e-8, betas=(0.9, 0.999)):
    """One step of Adam, decay added to the gradient: the new value and state (steps, first, second moment)."""
    gradient = gradient + weight_decay * value
    steps, first, second = state or (0, torch.zeros_like(value), torch.zeros_like(value))
    steps = steps + 1
    first = betas[0] * first + (1 - betas[0]) * gradient
    second = betas[1] * second + (1 - betas[1]) * gradient**2
    size = torch.sqrt(second / (1 - betas[1] ** steps)) + eps
    return value - rate * first / (1 - betas[0] ** steps) / size, (steps, first, second)
