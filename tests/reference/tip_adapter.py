"""Tip-Adapter: cache, logits, the grid of alpha and beta; for Tip-Adapter-F also AdamW and its rates by hand."""

from __future__ import annotations

import math

import torch

ALPHA = {
    "caltech101": 3,
    "dtd": 2,
    "eurosat": 2,
    "fgvc_aircraft": 5,
    "food101": 1.17,
    "imagenet": 1.17,
    "oxford_flowers": 10,
    "oxford_pets": 1.17,
    "stanford_cars": 3,
    "sun397": 1.17,
    "ucf101": 3,
}
"""Alpha before any search; beta is 1 everywhere."""

SEARCH_SCALE = {
    "caltech101": (12, 5),
    "dtd": (13, 13),
    "eurosat": (12, 10),
    "fgvc_aircraft": (30, 30),
    "food101": (10, 10),
    "imagenet": (7, 3),
    "oxford_flowers": (50, 50),
    "oxford_pets": (7, 3),
    "stanford_cars": (20, 10),
    "sun397": (12, 10),
    "ucf101": (7, 3),
}
"""Where the search ends (exclusively): of beta, of alpha."""


def cache(passes, labels, classes):
    """Features of augmented passes [pass, image, dim], not normalised -> keys [image, dim], values [image, class]."""
    keys, values = [], []
    for i, label in enumerate(labels.tolist()):
        mean = sum(one[i] for one in passes) / len(passes)
        keys.append(mean / mean.norm())
        values.append(torch.tensor([1.0 if label == c else 0.0 for c in range(classes)]))
    return torch.stack(keys), torch.stack(values)


def logits(features, weights, keys, values, alpha, beta, scale=100.0):
    """scale · cos(image, class) + alpha · Σ_key exp(−beta (1 − f · key)) value, [image, class].

    features [image, dim] and weights [class, dim]: of any norm. keys: as they are, trained ones are not of unit norm.
    """
    rows = []
    for f in features:
        f = f / f.norm()
        row = [scale * (f * w).sum() / w.norm() for w in weights]
        for key, value in zip(keys, values, strict=True):
            near = torch.exp(-beta * (1 - (f * key).sum()))
            row = [r + alpha * near * v for r, v in zip(row, value, strict=True)]
        rows.append(torch.stack(row))
    return torch.stack(rows)


def grid(search_scale, betas=200, alphas=20, start=0.1):
    """Every (alpha, beta) in the order in which they are tried: beta in the outer loop."""
    end_beta, end_alpha = search_scale
    return [
        (start + j * (end_alpha - start) / alphas, start + i * (end_beta - start) / betas)
        for i in range(betas)
        for j in range(alphas)
    ]


def search(pairs, accuracy):
    """The first (alpha, beta) that no other beats, (0, 0) where all are always wrong; accuracy(alpha, beta)."""
    best, winner = 0, (0.0, 0.0)
    for alpha, beta in pairs:
        reached = accuracy(alpha, beta)
        if reached > best:
            best, winner = reached, (alpha, beta)
    return winner


def accuracy(scores, labels):
    """Share of rows whose first largest score is the label's."""
    right = 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        right += row.index(max(row)) == label
    return right / len(labels)


def mixture_accuracy(features, labels, weights, keys, values, scale=100.0):
    """accuracy(alpha, beta) of `logits` above, in Python's own numbers, since a search asks 4000 times."""
    f, w = (rows / rows.norm(dim=-1, keepdim=True) for rows in (features.double(), weights.double()))
    zero_shot, near = (scale * f @ w.T).tolist(), (f @ keys.double().T).tolist()
    owners, labels = [row.index(max(row)) for row in values.tolist()], labels.tolist()

    def of(alpha, beta):
        right = 0
        for text, cosines, label in zip(zero_shot, near, labels, strict=True):
            row = list(text)
            for cosine, owner in zip(cosines, owners, strict=True):
                row[owner] += alpha * math.exp(-beta * (1 - cosine))
            right += row.index(max(row)) == label
        return right / len(labels)

    return of


def learning_rates(images, epochs=20, lr=1e-3, batch_size=256):
    """The rate of every step: a cosine over all steps, the incomplete last batch of an epoch included."""
    steps = epochs * math.ceil(images / batch_size)
    return [lr / 2 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]


def adamw_step(value, gradient, state, rate, weight_decay=0.01, eps=1e-4, betas=(0.9, 0.999)):
    """One step of AdamW: the new value and the new state (steps, first moment, second moment); state None at first."""
    steps, first, second = state or (0, torch.zeros_like(value), torch.zeros_like(value))
    steps = steps + 1
    first = betas[0] * first + (1 - betas[0]) * gradient
    second = betas[1] * second + (1 - betas[1]) * gradient**2
    value = value - rate * weight_decay * value  # not part of the gradient, so not divided by its size
    root = torch.sqrt(second / (1 - betas[1] ** steps))
    value = value - rate * first / (1 - betas[0] ** steps) / (root + eps)
    return value, (steps, first, second)
