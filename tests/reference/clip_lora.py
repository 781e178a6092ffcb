"""CLIP-LoRA (arXiv 2405.18541): weights with additions, one entry at a time, and one row with dropout."""

from __future__ import annotations

import math

import torch


def with_additions(state, tensors, tower, alpha=1.0):
    """A tower's state dict with A and B added to the queries, keys and values of its blocks.

    state: with `transformer.resblocks.0.attn.in_proj_weight`. tensors: "text.down" [block, 3, rank, width] and so on.
    """
    down, up = tensors[f"{tower}.down"], tensors[f"{tower}.up"]
    factor, changed = alpha / math.sqrt(down.shape[2]), dict(state)
    for block in range(len(down)):
        name = f"transformer.resblocks.{block}.attn.in_proj_weight"
        rows = [up[block, part, i] @ down[block, part] for part in range(3) for i in range(down.shape[3])]
        changed[name] = state[name] + factor * torch.stack(rows)
    return changed


def added_row(row, down, up, factor, kept, share):
    """What is added for one input row [width], of which `kept` channels were not dropped: [width]."""
    seen = [float(row[i]) / (1 - share) if kept[i] else 0.0 for i in range(len(row))]
    inner = [sum(float(down[r, i]) * seen[i] for i in range(len(seen))) for r in range(len(down))]
    return [factor * sum(float(up[o, r]) * inner[r] for r in range(len(inner))) for o in range(len(up))]


def adamw_step(value, gradient, state, rate, weight_decay=1e-2, eps=1e-8, betas=(0.9, 0.999)):
    """One step of AdamW, which shrinks the value first: the new value and state (steps, first, second moment)."""
    steps, first, second = state or (0, torch.zeros_like(value), torch.zeros_like(value))
    steps, value = steps + 1, value * (1 - rate * weight_decay)
    first = betas[0] * first + (1 - betas[0]) * gradient
    second = betas[1] * second + (1 - betas[1]) * gradient**2
    size = torch.sqrt(second / (1 - betas[1] ** steps)) + eps
    return value - rate * first / (1 - betas[0] ** steps) / size, (steps, first, second)
