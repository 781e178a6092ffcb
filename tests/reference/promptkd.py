"""PromptKD's projector and loss, written out."""

from __future__ import annotations

import torch


def project(features, tensors, training):
    """Features [image, dim] -> mapped features [image, teacher dim], and the batch's mean and variance by channel.

    training: BatchNorm uses the batch; otherwise its running mean and variance. The variance that is returned, for the
    running one, is divided by one less than the batch; the one that is used is not.
    """
    hidden = torch.stack([tensors["projector.0.weight"] @ row + tensors["projector.0.bias"] for row in features])
    mean = hidden.sum(0) / len(hidden)
    squares = ((hidden - mean) ** 2).sum(0)
    used = (mean, squares / len(hidden)) if training else (tensors["projector.1.mean"], tensors["projector.1.variance"])
    normed = (hidden - used[0]) / torch.sqrt(used[1] + 1e-5) * tensors["projector.1.weight"] + tensors[
        "projector.1.bias"
    ]
    mapped = [tensors["projector.3.weight"] @ torch.clamp(row, min=0) + tensors["projector.3.bias"] for row in normed]
    return torch.stack(mapped), mean.detach(), (squares / max(len(hidden) - 1, 1)).detach()


def logits(mapped, classes, scale):
    """[image, class], from features of any norm."""
    return torch.stack([torch.stack([scale * (m @ t) / (m.norm() * t.norm()) for t in classes]) for m in mapped])


def loss(teacher, student, weight, tau):
    """Teacher's and student's logits [image, class] -> a scalar."""
    total = 0
    for a, b in zip(teacher, student, strict=True):
        p, q = torch.softmax(a / tau, 0), torch.softmax(b / tau, 0)
        total = total + (p * torch.log(p / q)).sum()
    return weight * tau * tau * total / (len(teacher) * len(teacher[0]))
