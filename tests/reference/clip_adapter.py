"""CLIP-Adapter for one image at a time; weights act as y = W x, as nn.Linear's without a bias."""

from __future__ import annotations

import torch


def relu(row):
    return torch.where(row > 0, row, torch.zeros_like(row))


def adapted(f, first, second, ratio=0.2):
    """ratio · ReLU(second · ReLU(first · f)) + (1 − ratio) · f, [dim] -> [dim]; f is not normalised before or after.

    first: [dim / 4, dim]. second: [dim, dim / 4].
    """
    hidden = relu(torch.stack([(row * f).sum() for row in first]))
    return ratio * relu(torch.stack([(row * hidden).sum() for row in second])) + (1 - ratio) * f


def logits(features, first, second, weights, scale, ratio=0.2):
    """scale · cos(adapted image, class), [image, class]; weights [class, dim] of any norm."""
    rows = []
    for f in features:
        mixed = adapted(f, first, second, ratio)
        rows.append(torch.stack([scale * (mixed * w).sum() / (mixed.norm() * w.norm()) for w in weights]))
    return torch.stack(rows)
