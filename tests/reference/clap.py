"""ZS-LP and CLAP (arXiv 2312.12730): the penalty, its first multipliers and the outer step, class by class."""

from __future__ import annotations

import torch


def penalty(weight, base, multipliers):
    """Mean over classes of multiplier times squared distance."""
    terms = [m * ((w - t) ** 2).sum() for w, t, m in zip(weight, base, multipliers, strict=True)]
    return sum(terms) / len(terms)


def first_multipliers(features, labels, base, scale):
    """Features [picture, dim], labels [picture], base [class, dim], of any norm -> [class]."""
    found = [[] for _ in base]
    for f, label in zip(features, labels.tolist(), strict=True):
        cosines = torch.stack([scale * (f * t).sum() / f.norm() / t.norm() for t in base])
        powers = torch.exp(cosines - cosines.max())
        found[label].append(powers[label] / powers.sum())
    return torch.stack([sum(own) / len(own) for own in found])


def outer_step(multipliers, strengths, weight, base):
    """Powell, Hestenes and Rockafellar's rule: the new multipliers, and the distances as new strengths."""
    distances = [float(((w - t) ** 2).sum()) for w, t in zip(weight, base, strict=True)]
    new = [max(0.0, float(m) + float(s) * d) for m, s, d in zip(multipliers, strengths, distances, strict=True)]
    return torch.tensor(new), torch.tensor(distances)
