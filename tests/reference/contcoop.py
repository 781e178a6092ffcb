"""ContCoOp for one class at a time, from the formulas of arXiv 2412.20895; weights act as y = W x."""

from __future__ import annotations

import math

import torch


def attention(p, c, weights, heads=1, scale="head", causal=False, biases=None):
    """First N rows of softmax(Q Kᵀ / √·) V W_O over X = [p; c]: p [N, D], c [M, D] -> [N, D].

    weights, biases: {"q", "k", "v", "o"}. Every head and every row is done on its own.
    """
    biases = biases or {}
    x = [*p, *c]
    width = p.shape[1]

    def linear(row, name):
        return weights[name] @ row + biases.get(name, 0)

    q, k, v = ([linear(row, name) for row in x] for name in "qkv")
    per_head = width // heads
    root = math.sqrt({"head": per_head, "model": width}[scale])
    out = []
    for i in range(len(p)):
        seen = range(i + 1) if causal else range(len(x))
        mixed = []
        for head in range(heads):
            own = slice(head * per_head, (head + 1) * per_head)
            exponentials = [torch.exp((q[i][own] * k[j][own]).sum() / root) for j in seen]
            total = sum(exponentials)
            mixed.append(sum(e / total * v[j][own] for e, j in zip(exponentials, seen, strict=True)))
        out.append(linear(torch.cat(mixed), "o"))
    return torch.stack(out)


def condition_rows(table, ids, length, include=(), pool="tokens", positions=None, n_ctx=0):
    """Rows of one class's condition, [row, D].

    table: token embeddings. ids: SOS … EOT of "name.", of which `length` after SOS are the name's. include: any of
    "sos", "period", "eot". positions: the tower's, [token, D], to be added where the row will stand in the prompt.
    """
    last = len(ids) - 1
    chosen = list(range(1, 1 + length))
    if "period" in include:
        chosen += range(1 + length, last)
    if "eot" in include:
        chosen += [last]
    if "sos" in include:
        chosen = [0, *chosen]
    rows = [table[ids[i]] for i in chosen]
    if positions is not None:
        rows = [row + positions[i + n_ctx if i else 0] for row, i in zip(rows, chosen, strict=True)]
    return pool_rows(rows, pool)


def pool_rows(rows, pool):
    if pool == "mean":
        rows = [sum(rows) / len(rows)]
    elif pool == "first":
        rows = rows[:1]
    elif pool == "last":
        rows = rows[-1:]
    elif pool != "tokens":
        raise ValueError(pool)
    return torch.stack(rows)


def distance(weights, target, form="l2", normalize=True):
    """How far class weights are from their target, mean over classes."""
    total = 0.0
    for w, t in zip(weights, target, strict=True):
        if normalize or form == "cosine":
            w, t = w / w.norm(), t / t.norm()
        if form == "cosine":
            total = total + 1 - (w * t).sum()
        elif form == "l2sq":
            total = total + ((w - t) ** 2).sum()
        elif form == "l2":
            total = total + torch.sqrt(((w - t) ** 2).sum() + 1e-12)
        else:
            raise ValueError(form)
    return total / len(weights)


def kgcoop_penalty(weights, target, strength=8.0):
    """strength · (1 − mean cos), what KgCoOp's code adds to the cross-entropy."""
    cosines = [(w * t).sum() / (w.norm() * t.norm()) for w, t in zip(weights, target, strict=True)]
    return strength * (1 - sum(cosines) / len(cosines))


def logits(features, weights, scale):
    """scale · cos, image by image and class by class; neither side is normalised before."""
    return torch.stack(
        [torch.stack([scale * (f * w).sum() / (f.norm() * w.norm()) for w in weights]) for f in features]
    )


def cross_entropy(scores, labels):
    total = 0.0
    for row, label in zip(scores, labels.tolist(), strict=True):
        total = total + torch.log(torch.exp(row - row.max()).sum()) + row.max() - row[label]
    return total / len(scores)
