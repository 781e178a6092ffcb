"""Causal attention over few packed rows: every row with every other, and a mask.

Most of the product is thrown away, and with two hundred rows that is cheaper than the many small operations that would
avoid it (benchmarks/attention.py). Backward is written out for the same reason: autograd copies every view of q, k, v.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from clipcompat.backbones.text.packing import Packing


class MaskedAttention(torch.autograd.Function):
    """`apply(qkv, packing, heads)`: packed [row, 3 · width] -> [row, width]."""

    @staticmethod
    def forward(ctx, qkv: Tensor, packing: Packing, heads: int) -> Tensor:
        q, k, v = qkv.view(len(qkv), 3, heads, -1).permute(1, 2, 0, 3)  # [head, row, channel] each
        scale = q.shape[-1] ** -0.5
        weights = torch.baddbmm(_mask(packing, qkv.dtype), q, k.mT, alpha=scale).softmax(-1)
        ctx.save_for_backward(qkv, weights)
        ctx.heads, ctx.scale = heads, scale
        return (weights @ v).transpose(0, 1).flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        qkv, weights = ctx.saved_tensors
        q, k, v = qkv.view(len(qkv), 3, ctx.heads, -1).permute(1, 2, 0, 3)
        g = grad.view(len(grad), ctx.heads, -1).transpose(0, 1)
        scores = torch.ops.aten._softmax_backward_data(g @ v.mT, weights, -1, weights.dtype).mul_(ctx.scale)
        change = torch.empty_like(qkv)
        dq, dk, dv = change.view(len(qkv), 3, ctx.heads, -1).permute(1, 2, 0, 3)
        dq.copy_(scores @ k), dk.copy_(scores.mT @ q), dv.copy_(weights.mT @ g)
        return change, None, None


def attend_from_ends(q: Tensor, k: Tensor, v: Tensor, packing: Packing, heads: int) -> Tensor:
    """The end-of-text rows alone: q [prompt, width] in packed order, k and v [row, width] -> [prompt, width]."""
    q, k, v = (x.view(1, len(x), heads, -1).transpose(1, 2) for x in (q, k, v))
    mask = _mask(packing, q.dtype)[:, packing.ends[0]]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)[0].transpose(0, 1).flatten(1)


@lru_cache(maxsize=64)
def _mask(packing: Packing, dtype: torch.dtype) -> Tensor:
    """[1, row, row], to be added to scores: 0 where the second is the same prompt's or its lead's and no later."""
    prompt, token = packing.places
    lead = (token < packing.shared) & (prompt[:, None] // packing.each == prompt // packing.each)
    seen = ((prompt[:, None] == prompt) | lead) & (token[:, None] >= token)
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))[None]
