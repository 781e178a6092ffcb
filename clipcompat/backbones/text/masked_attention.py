"""Causal attention over few packed rows: every row with every other, and a mask.

The mask hides most of the product. For about two hundred rows that is still cheaper than the many small operations that
would avoid it (benchmarks/attention.py): without this kernel a step of CoOp with 47 classes takes 2 % (float32) or 15 %
(bfloat16) longer on a CPU, with 10 classes 20 % or 33 %. Backward is written out because autograd copies every view of
q, k and v.
"""

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
        q, k, v = _split(qkv, heads)
        scale = q.shape[-1] ** -0.5
        weights = torch.baddbmm(_mask(packing, qkv.dtype), q, k.mT, alpha=scale).softmax(-1)  # [head, row, row]
        ctx.save_for_backward(qkv, weights)
        ctx.heads, ctx.scale = heads, scale
        return (weights @ v).transpose(0, 1).flatten(1)  # [head, row, channel] -> [row, width]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        qkv, weights = ctx.saved_tensors
        q, k, v = _split(qkv, ctx.heads)
        g = grad.view(len(grad), ctx.heads, -1).transpose(0, 1)  # [row, width] -> [head, row, channel]
        scores = torch.ops.aten._softmax_backward_data(g @ v.mT, weights, -1, weights.dtype).mul_(ctx.scale)
        grad_qkv = torch.empty_like(qkv)
        dq, dk, dv = _split(grad_qkv, ctx.heads)
        dq.copy_(scores @ k), dk.copy_(scores.mT @ q), dv.copy_(weights.mT @ g)
        return grad_qkv, None, None


def attend_from_eot(q: Tensor, k: Tensor, v: Tensor, packing: Packing, heads: int) -> Tensor:
    """The end-of-text rows alone: q [prompt, width] in packed order, k and v [row, width] -> [prompt, width]."""
    q, k, v = (x.view(1, len(x), heads, -1).transpose(1, 2) for x in (q, k, v))  # [1, head, row, channel] each
    mask = _mask(packing, q.dtype)[:, packing.eot_rows[0]]  # [1, prompt, row]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)[0].transpose(0, 1).flatten(1)


def _split(qkv: Tensor, heads: int) -> Tensor:
    """[row, 3 · width] -> [3, head, row, channel], a view."""
    return qkv.view(len(qkv), 3, heads, -1).permute(1, 2, 0, 3)


@lru_cache(maxsize=64)
def _mask(packing: Packing, dtype: torch.dtype) -> Tensor:
    """[1, query row, key row], to add to scores.

    0 where the key is in the same prompt or its shared prefix, and not after the query; −inf elsewhere.
    """
    prompt, token = packing.prompt_and_token
    group = prompt // packing.per_group
    prefix = (token < packing.shared) & (group[:, None] == group)
    seen = ((prompt[:, None] == prompt) | prefix) & (token[:, None] >= token)
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))[None]
