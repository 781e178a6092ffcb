"""Causal attention of prompts that share a lead, forward and backward written out.

Scores with shared keys are one large product a head, those with a prompt's own keys many small ones; one softmax is
taken over both. Autograd would compute the same, but copies every view on its way in and out, in both directions: with
a few rows a prompt that takes longer than the products.

Letters: G groups, P prompts, H heads, r own rows, s shared rows, c channels.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from clipcompat.packing import Packing


class SplitAttention(torch.autograd.Function):
    """`apply(qkv, packing, heads)`: packed [row, 3 · width] -> [row, width]; the packing must have leads."""

    @staticmethod
    def forward(ctx, qkv: Tensor, packing: Packing, heads: int) -> Tensor:
        width, shared = qkv.shape[-1] // 3, packing.shared
        scale = (width // heads) ** -0.5
        out = qkv.new_empty(len(qkv), width)
        first, *own = qkv.split(packing.sizes[0])
        lead_out, *own_out = out.split(packing.sizes[0])

        lead = first.view(packing.groups, shared, 3, heads, -1).permute(2, 0, 3, 1, 4).flatten(1, 2)  # [3, GH, s, c]
        q, k, v = _copy(lead)
        k.mul_(scale)
        weights = _causal(q @ k.mT).softmax(-1)
        _parts(lead_out, packing.groups, 1, shared, 1, heads)[:, 0, :, 0].copy_(
            (weights @ v).unflatten(0, (packing.groups, heads)).transpose(1, 2)
        )
        kept = [q, k, v, weights]
        for segment, piece, place in zip(packing.segments, own, own_out, strict=True):
            kept += _own_forward(piece, place, segment, heads, k, v, scale)
        ctx.packing, ctx.heads, ctx.scale = packing, heads, scale
        ctx.save_for_backward(*kept)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor):
        packing, heads, scale = ctx.packing, ctx.heads, ctx.scale
        grad = grad.contiguous()
        change = grad.new_empty(len(grad), 3 * grad.shape[1])
        q, k, v, weights, *kept = ctx.saved_tensors
        first, *own = grad.split(packing.sizes[0])
        lead_out, *own_out = change.split(packing.sizes[0])
        dk, dv = torch.zeros_like(k), torch.zeros_like(v)
        for i, (segment, piece, place) in enumerate(zip(packing.segments, own, own_out, strict=True)):
            _own_backward(piece, place, segment, heads, k, v, scale, kept[2 * i : 2 * i + 2], dk, dv)

        g = first.view(packing.groups, packing.shared, heads, -1).transpose(1, 2).flatten(0, 1).contiguous()
        ds = _softmax_backward(g @ v.mT, weights)
        place = _parts(lead_out, packing.groups, 1, packing.shared, 3, heads)[:, 0]
        for i, d in enumerate((ds @ k, (dk + ds.mT @ q) * scale, dv + weights.mT @ g)):
            place[:, :, i].copy_(d.unflatten(0, (packing.groups, heads)).transpose(1, 2))
        return change, None, None


def _own_forward(piece, place, segment, heads, k0, v0, scale) -> list[Tensor]:
    """A segment's rows into `place`; what backward needs. k0 (scaled), v0: [all groups · H, s, c]."""
    groups, prompts, rows = segment.groups, segment.prompts, segment.rows
    k0, v0 = _leads(segment, heads, k0, v0)
    parts = _parts(piece, groups, prompts, rows, 3, heads)
    own = _copy(parts.permute(3, 0, 1, 4, 2, 5)).flatten(1, 3)  # [3, GPH, r, c]
    q, k, v = own
    k.mul_(scale)
    q_of_group = parts[:, :, :, 0].permute(0, 3, 1, 2, 4).reshape(groups * heads, prompts * rows, -1)
    apart = (groups, heads, prompts, rows, -1)
    scores = torch.cat([
        (q_of_group @ k0.mT).view(apart).transpose(1, 2),
        _causal(q @ k.mT).view(groups, prompts, heads, rows, rows),
    ], dim=-1)  # fmt: skip
    weights = scores.softmax(-1)
    to_shared, to_own = weights.split([k0.shape[1], rows], dim=-1)
    to_shared = to_shared.transpose(1, 2).reshape(groups * heads, prompts * rows, -1)
    torch.add(
        (to_own.reshape(-1, rows, rows) @ v).view(groups, prompts, heads, rows, -1).transpose(2, 3),
        (to_shared @ v0).view(apart).permute(0, 2, 3, 1, 4),
        out=_parts(place, groups, prompts, rows, 1, heads)[:, :, :, 0],
    )
    return [own, weights]  # the rest is made of these again, and qkv itself is let go


def _own_backward(grad, place, segment, heads, k0, v0, scale, kept, dk0, dv0) -> None:
    """Gradients of a segment's rows into `place`, of what it looked at added to dk0 (unscaled) and dv0."""
    (q, k, v), weights = kept
    groups, prompts, rows = segment.groups, segment.prompts, segment.rows
    (k0, v0), (dk0, dv0) = _leads(segment, heads, k0, v0), _leads(segment, heads, dk0, dv0)
    apart = (groups, heads, prompts, rows, -1)
    parts = _parts(grad, groups, prompts, rows, 1, heads)[:, :, :, 0]  # [G, P, r, H, c]
    g = parts.transpose(2, 3).reshape(-1, rows, q.shape[-1])
    g_of_group = parts.permute(0, 3, 1, 2, 4).reshape(groups * heads, prompts * rows, -1)
    change = torch.cat([
        (g_of_group @ v0.mT).view(apart).transpose(1, 2), (g @ v.mT).view(groups, prompts, heads, rows, rows)
    ], dim=-1)  # fmt: skip
    shared, own = _softmax_backward(change, weights).split([k0.shape[1], rows], dim=-1)
    to_shared, to_own = weights.split([k0.shape[1], rows], dim=-1)
    own, to_own = own.reshape(-1, rows, rows), to_own.reshape(-1, rows, rows)
    shared, to_shared, q_of_group = (
        x.view(groups, prompts, heads, rows, -1).transpose(1, 2).reshape(groups * heads, prompts * rows, -1)
        for x in (shared, to_shared, q)
    )
    dk0.baddbmm_(shared.mT, q_of_group)
    dv0.baddbmm_(to_shared.mT, g_of_group)
    place = _parts(place, groups, prompts, rows, 3, heads)

    def of_prompts(x: Tensor) -> Tensor:
        return x.view(groups, prompts, heads, rows, -1).transpose(2, 3)

    torch.add(of_prompts(own @ k), (shared @ k0).view(apart).permute(0, 2, 3, 1, 4), out=place[:, :, :, 0])
    torch.mul(of_prompts(own.mT @ q), scale, out=place[:, :, :, 1])
    place[:, :, :, 2].copy_(of_prompts(to_own.mT @ g))


def _copy(x: Tensor) -> Tensor:
    """Contiguous, and never x itself: it is scaled in place."""
    return x.clone(memory_format=torch.contiguous_format)


def _leads(segment, heads: int, *tensors: Tensor) -> tuple[Tensor, ...]:
    """[all groups · H, s, c] -> those of the segment's groups."""
    return tuple(x[segment.first * heads : (segment.first + segment.groups) * heads] for x in tensors)


def _parts(x: Tensor, groups: int, prompts: int, rows: int, count: int, heads: int) -> Tensor:
    """Packed [G · P · r, count · width] -> [G, P, r, count, H, c], a view."""
    return x.view(groups, prompts, rows, count, heads, -1)


def _causal(scores: Tensor) -> Tensor:
    """Square scores [any, row, row], in place: no row sees a later one."""
    return scores.masked_fill_(_later(scores.shape[-1], scores.device), float("-inf"))


@lru_cache(maxsize=128)
def _later(rows: int, device: torch.device) -> Tensor:
    """[row, row], True where the second comes after the first."""
    return torch.ones(rows, rows, dtype=torch.bool, device=device).triu_(1)


def _softmax_backward(grad: Tensor, weights: Tensor) -> Tensor:
    return torch.ops.aten._softmax_backward_data(grad, weights, -1, weights.dtype)
