"""DPC's loss, sampler and mixture, slowly: plain loops over images, classes and channels."""

from __future__ import annotations

import torch


def symmetric_loss(features, text, scale):
    """Features [row, dim], text [row, dim] -> the mean of both cross-entropies, pair by pair."""
    n = len(features)
    z = [[scale * torch.dot(f / f.norm(), t / t.norm()) for t in text] for f in features]
    total = 0.0
    for i in range(n):
        row = torch.stack([z[i][j] for j in range(n)])
        column = torch.stack([z[j][i] for j in range(n)])
        total = total - z[i][i] + row.exp().sum().log() - z[i][i] + column.exp().sum().log()
    return total / (2 * n)


def hard_negatives(logits, labels, k):
    """Per image, the classes among its first k that no image and no earlier negative of the batch has."""
    used, found = [int(label) for label in labels], []
    for scores in logits.tolist():
        order = sorted(range(len(scores)), key=lambda c: -scores[c])[:k]
        mine = []
        for c in order:
            if c not in used:
                mine.append(c)
                used.append(c)
        found.append(mine)
    return found


def mixed(parallel, first, weight):
    """weight · parallel + (1 - weight) · first, number by number."""
    numbers = [weight * a + (1 - weight) * b for a, b in zip(parallel.flatten(), first.flatten(), strict=True)]
    return torch.stack(numbers).reshape(parallel.shape)


def decoupled(theta, omega):
    """The released code's (θ - (1 - ω) P) / ω, where P is the memory of θ: its value, with another gradient."""
    return (theta - (1 - omega) * theta.detach()) / omega
