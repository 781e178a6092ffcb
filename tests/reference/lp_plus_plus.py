"""LP++ (arXiv 2404.02285) with gradients by autograd, and rates from eigenvalues."""

from __future__ import annotations

import numpy as np
import torch


def logits(features, text, tensors):
    """[image, class]; features [image, dim] and text [class, dim] are of any norm."""
    rows = []
    for f in features:
        f = f / f.norm()
        row = [
            (w * f).sum() + b + a * (t * f).sum() / t.norm()
            for t, w, b, a in zip(text, tensors["weight"], tensors["bias"], tensors["alpha"], strict=True)
        ]
        rows.append(torch.stack(row))
    return torch.stack(rows)


def start(features, labels, text, bias):
    """The tensors before the first step."""
    unit = [f / f.norm() for f in features]
    own = [[f for f, y in zip(unit, labels.tolist(), strict=True) if y == c] for c in range(len(text))]
    likeness = [sum(float((f * t).sum() / t.norm()) for f in fs) / len(fs) for fs, t in zip(own, text, strict=True)]
    alpha = 250 * sum(likeness) / len(likeness)
    return {"weight": torch.stack([sum(fs) for fs in own]), "bias": bias, "alpha": torch.full((len(text),), alpha)}


def rates(features, text):
    """The rate of weight and bias, and that of alpha."""
    unit = np.stack([(f / f.norm()).double().numpy() for f in features])
    likeness = unit @ np.stack([(t / t.norm()).double().numpy() for t in text]).T
    largest = max(np.linalg.eigvalsh(unit.T @ unit))
    return 4 * len(unit) / largest, len(unit) / (4 * max((likeness**2).sum(0)))


def walk(features, labels, text, tensors, steps, clear):
    """The tensors after each step. clear: alpha's gradient is the present one, not the sum of all."""
    rate, alpha_rate = rates(features, text)
    tensors, speed, gathered = dict(tensors), {"weight": 0, "bias": 0}, 0
    for step in range(1, steps + 1):
        leaves = {name: value.clone().requires_grad_() for name, value in tensors.items()}
        scores = logits(features, text, leaves)
        loss = sum(-torch.log_softmax(row, 0)[y] for row, y in zip(scores, labels.tolist(), strict=True)) / len(labels)
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        gathered = gradients["alpha"] + (0 if clear else gathered)
        for name in speed:
            speed[name] = 0.9 * speed[name] + gradients[name]
            tensors[name] = tensors[name] - rate * speed[name]
        if step % 10 == 0:
            tensors["alpha"] = tensors["alpha"] - alpha_rate * gathered
        yield dict(tensors)
