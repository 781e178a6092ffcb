"""PromptSRC's loss and its mean over epochs, written out."""

from __future__ import annotations

import math

import torch


def loss(f, f0, t, t0, labels, scale, text=25.0, image=10.0, logits=1.0):
    """f, f0: image features [batch, dim]; t, t0: text features [class, dim]; none needs to be of unit norm."""
    f, f0, t, t0 = ([row / row.norm() for row in rows] for rows in (f, f0, t, t0))
    total = 0
    for own, frozen, label in zip(f, f0, labels.tolist(), strict=True):
        p = torch.softmax(torch.stack([scale * (own * text_row).sum() for text_row in t]), 0)
        p0 = torch.softmax(torch.stack([scale * (frozen * text_row).sum() for text_row in t0]), 0)
        total = total - torch.log(p[label]) / len(f)
        total = total + logits * sum(b * torch.log(b / a) for a, b in zip(p, p0, strict=True)) / (len(f) * len(t))
        total = total + image * (own - frozen).abs().sum() / (len(f) * len(own))
    for own, frozen in zip(t, t0, strict=True):
        total = total + text * (own - frozen).abs().sum() / (len(t) * len(own))
    return total


def mean_over_epochs(states, centre, width):
    """States after epochs 1, 2, … -> their mean, weighted by a Gaussian of the epoch's number."""
    weights = [math.exp(-((e - centre) ** 2) / (2 * width**2)) for e in range(1, len(states) + 1)]
    return {
        name: sum(w * state[name] for w, state in zip(weights, states, strict=True)) / sum(weights)
        for name in states[0]
    }
