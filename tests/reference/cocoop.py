"""CoCoOp's context of one image: a small network of the unit image feature, added to every context row."""

from __future__ import annotations

import torch


def meta_net(f, tensors):
    """W2 · ReLU(W1 · f / |f| + b1) + b2 of one image feature, [dim] -> [width]; tensors: as a plug-in has them."""
    f = f / f.norm()
    hidden = []
    for row, bias in zip(tensors["meta_net.linear1.weight"], tensors["meta_net.linear1.bias"], strict=True):
        value = (row * f).sum() + bias
        hidden.append(value if value > 0 else 0 * value)
    out = []
    for row, bias in zip(tensors["meta_net.linear2.weight"], tensors["meta_net.linear2.bias"], strict=True):
        out.append(sum(w * h for w, h in zip(row, hidden, strict=True)) + bias)
    return torch.stack(out)


def context(f, tensors):
    """The context of one image, [n_ctx, width]."""
    shift = meta_net(f, tensors)
    return torch.stack([row + shift for row in tensors["ctx"]])


def logits(features, tensors, class_weights, scale):
    """scale · cos, [image, class]. class_weights(context [n_ctx, width]) -> [class, dim], not normalised."""
    rows = []
    for f in features:
        weights = class_weights(context(f, tensors))
        rows.append(torch.stack([scale * (f * w).sum() / (f.norm() * w.norm()) for w in weights]))
    return torch.stack(rows)
