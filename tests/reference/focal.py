"""Focal distillation picture by picture, class by class (arXiv 2011.09161)."""

from __future__ import annotations

import math


def softmax(row, temperature):
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def focal_loss(old, new, labels, alpha, beta, temperature):
    """old, new: logits as lists, [picture][class]. -> the mean over pictures."""
    total = 0.0
    for z_old, z_new, label in zip(old, new, labels, strict=True):
        p, q = softmax(z_old, temperature), softmax(z_new, temperature)
        divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        right = z_old.index(max(z_old)) == label
        total += (alpha + (beta if right else 0.0)) * temperature**2 * divergence
    return total / len(labels)
