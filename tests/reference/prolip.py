"""ProLIP (arXiv 2410.05270) picture by picture."""

from __future__ import annotations

import torch


def features(hidden, matrix, bias=None):
    """Hidden features [image, width] and a projection [width, dim] -> [image, dim]."""
    rows = [sum(h[i] * matrix[i] for i in range(len(h))) for h in hidden]
    return torch.stack([row if bias is None else row + bias for row in rows])


def penalty(matrix, start, pull):
    """pull times the sum of squares of what changed."""
    return pull * sum(((row - old) ** 2).sum() for row, old in zip(matrix, start, strict=True))
