"""Causal attention of prompts that share a lead, forward and backward written out.

Scores with shared keys are one large product a head, those with a prompt's own keys many small ones; one softmax is
taken over both. Autograd would compute the same, but copies every view on its way in and out, in both directions: with
a few rows a prompt that takes longer than the products. Segments of nearly equal lengths go together, padded: here a
padded row costs little, and a segment of its own some thirty operations.

Letters: G groups, P prompts, H heads, r own rows, s shared rows, c channels.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from clipcompat.backbones.text.packing import Packing, Segment

_PADDED = 1.5  # times the own rows that segments going together may have with their padding


class SplitAttention(torch.autograd.Function):
    """`apply(qkv, packing, heads)`: packed [row, 3 · width] -> [row, width]; the packing must have leads."""

    @staticmethod
    def forward(ctx, qkv: Tensor, packing: Packing, heads: int) -> Tensor:
        width = qkv.shape[-1] // 3
        out, scale = qkv.new_empty(len(qkv), width), (width // heads) ** -0.5
        first, *own = qkv.split(packing.sizes[0])
        lead_out, *own_out = out.split(packing.sizes[0])
        lead = Segment(0, packing.groups, 1, packing.shared)
        q, k, v = _gather([first], [lead], heads, 3)  # [GH, s, c] each
        k.mul_(scale)
        weights = _causal(q @ k.mT).softmax(-1)
        _scatter([weights @ v], [lead_out], [lead], heads)
        kept = [q, k, v, weights]
        for segments in _batches(packing):
            some = slice(packing.segments.index(segments[0]), packing.segments.index(segments[-1]) + 1)
            kept += _own_forward(own[some], own_out[some], segments, heads, k, v, scale)
        ctx.packing, ctx.heads, ctx.scale = packing, heads, scale
        ctx.save_for_backward(*kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        packing, heads, scale = ctx.packing, ctx.heads, ctx.scale
        grad = grad.contiguous()
        change = grad.new_empty(len(grad), 3 * grad.shape[1])
        q, k, v, weights, *kept = ctx.saved_tensors
        first, *own = grad.split(packing.sizes[0])
        lead_out, *own_out = change.split(packing.sizes[0])
        dk, dv = torch.zeros_like(k), torch.zeros_like(v)
        for i, segments in enumerate(_batches(packing)):
            some = slice(packing.segments.index(segments[0]), packing.segments.index(segments[-1]) + 1)
            _own_backward(own[some], own_out[some], segments, heads, k, v, scale, *kept[2 * i : 2 * i + 2], dk, dv)
        lead = Segment(0, packing.groups, 1, packing.shared)
        (g,) = _gather([first], [lead], heads, 1)
        ds = _softmax_backward(g @ v.mT, weights)
        _scatter([ds @ k, (dk + ds.mT @ q) * scale, dv + weights.mT @ g], [lead_out], [lead], heads)
        return change, None, None


def _own_forward(pieces, places, segments, heads, k0, v0, scale) -> list[Tensor]:
    """Rows of segments into `places`; what backward needs. k0 (scaled), v0: [all groups · H, s, c]."""
    k0, v0 = _leads(segments, heads, k0, v0)
    own = _gather(pieces, segments, heads, 3)
    q, k, v = own
    k.mul_(scale)
    scores = torch.cat([
        _apart(_together(q, segments, heads) @ k0.mT, segments, heads), _causal(q @ k.mT)
    ], dim=-1)  # fmt: skip
    weights = scores.softmax(-1)
    to_shared, to_own = weights.split([k0.shape[1], k.shape[1]], dim=-1)
    shared = _apart(_together(to_shared, segments, heads) @ v0, segments, heads)
    _scatter([shared.add_(to_own @ v)], places, segments, heads)
    return [own, weights]  # the rest is made of these again, and qkv itself is let go


def _own_backward(pieces, places, segments, heads, k0, v0, scale, own, weights, dk0, dv0) -> None:
    """Gradients of rows of segments into `places`; of what they looked at, added to dk0 (unscaled) and dv0."""
    (k0, v0), (dk0, dv0), (q, k, v) = _leads(segments, heads, k0, v0), _leads(segments, heads, dk0, dv0), own
    (g,) = _gather(pieces, segments, heads, 1)
    g_of_group = _together(g, segments, heads)
    change = torch.cat([_apart(g_of_group @ v0.mT, segments, heads), g @ v.mT], dim=-1)
    sizes = [k0.shape[1], k.shape[1]]
    shared, mine = _softmax_backward(change, weights).split(sizes, dim=-1)
    to_shared, to_own = weights.split(sizes, dim=-1)
    shared, to_shared = _together(shared, segments, heads), _together(to_shared, segments, heads)
    dk0.baddbmm_(shared.mT, _together(q, segments, heads))
    dv0.baddbmm_(to_shared.mT, g_of_group)
    dq = _apart(shared @ k0, segments, heads).add_(mine @ k)
    _scatter([dq, (mine.mT @ q).mul_(scale), to_own.mT @ g], places, segments, heads)


@lru_cache(maxsize=64)
def _batches(packing: Packing) -> list[tuple[Segment, ...]]:
    """Segments that go together: of the same groups, and not much longer with their padding."""
    batches: list[tuple[Segment, ...]] = []
    for segment in packing.segments:
        some = (*batches[-1], segment) if batches and batches[-1][-1].first == segment.first else (segment,)
        padded = sum(s.prompts for s in some) * max(s.rows for s in some)
        if len(some) > 1 and padded <= _PADDED * sum(s.prompts * s.rows for s in some):
            batches[-1] = some
        else:
            batches.append((segment,))
    return batches


def _gather(pieces: list[Tensor], segments, heads: int, count: int) -> Tensor:
    """Packed [G · P · r, count · width] of segments, copied: [count, G · P · H, r, c]; rows that one lacks are 0."""
    groups, prompts, rows = segments[0].groups, sum(s.prompts for s in segments), max(s.rows for s in segments)
    channels = pieces[0].shape[-1] // count // heads
    make = pieces[0].new_empty if len(segments) == 1 else pieces[0].new_zeros
    found, at = make(count, groups, prompts, heads, rows, channels), 0
    for s, piece in zip(segments, pieces, strict=True):
        parts = piece.view(groups, s.prompts, s.rows, count, heads, channels)
        found[:, :, at : at + s.prompts, :, : s.rows] = parts.permute(3, 0, 1, 4, 2, 5)
        at += s.prompts
    return found.flatten(1, 3)


def _scatter(values: list[Tensor], places: list[Tensor], segments, heads: int) -> None:
    """[G · P · H, r, c] each -> packed [G · P · r, len(values) · width] of segments, side by side."""
    groups, prompts = segments[0].groups, sum(s.prompts for s in segments)
    at = 0
    for s, place in zip(segments, places, strict=True):
        place = place.view(groups, s.prompts, s.rows, len(values), heads, -1)
        for i, value in enumerate(values):
            value = value.view(groups, prompts, heads, *value.shape[1:])[:, at : at + s.prompts, :, : s.rows]
            place[:, :, :, i].copy_(value.transpose(2, 3))
        at += s.prompts


def _together(x: Tensor, segments, heads: int) -> Tensor:
    """[G · P · H, r, any] -> [G · H, P · r, any]"""
    groups = segments[0].groups
    return x.view(groups, -1, heads, *x.shape[1:]).transpose(1, 2).reshape(groups * heads, -1, x.shape[-1])


def _apart(x: Tensor, segments, heads: int) -> Tensor:
    """[G · H, P · r, any] -> [G · P · H, r, any]"""
    groups, rows = segments[0].groups, max(s.rows for s in segments)
    return x.view(groups, heads, -1, rows, x.shape[-1]).transpose(1, 2).reshape(-1, rows, x.shape[-1])


def _leads(segments, heads: int, *tensors: Tensor) -> tuple[Tensor, ...]:
    """[all groups · H, s, c] -> those of the segments' groups."""
    first, groups = segments[0].first, segments[0].groups
    return tuple(x[first * heads : (first + groups) * heads] for x in tensors)


def _causal(scores: Tensor) -> Tensor:
    """Square scores [any, row, row], in place: no row sees a later one."""
    return scores.masked_fill_(_later(scores.shape[-1], scores.device), float("-inf"))


@lru_cache(maxsize=128)
def _later(rows: int, device: torch.device) -> Tensor:
    """[row, row], True where the second comes after the first."""
    return torch.ones(rows, rows, dtype=torch.bool, device=device).triu_(1)


def _softmax_backward(grad: Tensor, weights: Tensor) -> Tensor:
    return torch.ops.aten._softmax_backward_data(grad, weights, -1, weights.dtype)
