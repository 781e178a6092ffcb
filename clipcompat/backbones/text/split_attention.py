"""Causal attention of prompts that share a prefix, with forward and backward written out.

Scores with the prefix keys are one large product per head; scores with a prompt's own keys are many small ones. One
softmax runs over both. Autograd would compute the same, but copies every view in both directions, which takes longer
than the products when prompts have few rows. Segments of similar length are padded and computed together: a padded row
costs little, a separate segment costs about thirty kernel launches.

Letters: G groups, P prompts per group, H heads, R own rows per prompt, S prefix rows, C channels per head.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from clipcompat.backbones.text.packing import Packing, Segment

_MAX_PADDED = 1.5  # segments are computed together if padding multiplies their rows by at most this


class SplitAttention(torch.autograd.Function):
    """`apply(qkv, packing, heads)`: packed [row, 3 · width] -> [row, width]; the packing must have prefixes."""

    @staticmethod
    def forward(ctx, qkv: Tensor, packing: Packing, heads: int) -> Tensor:
        width = qkv.shape[1] // 3
        out, scale = qkv.new_empty(len(qkv), width), (width // heads) ** -0.5
        inputs, outputs = qkv.split(packing.row_counts), out.split(packing.row_counts)
        prefix, *batches = _batches(packing, heads)
        q, k, v = prefix.gather(inputs, 3)  # [G·H, S, C] each
        k.mul_(scale)
        weights = _causal(q @ k.mT).softmax(-1)  # [G·H, S, S]
        prefix.scatter([weights @ v], outputs)
        saved = [q, k, v, weights]
        for batch in batches:
            saved += _own_forward(batch, inputs, outputs, k, v, scale)
        ctx.batches, ctx.counts, ctx.scale = (prefix, *batches), packing.row_counts, scale
        ctx.save_for_backward(*saved)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        grad, (prefix, *batches) = grad.contiguous(), ctx.batches
        grad_qkv = grad.new_empty(len(grad), 3 * grad.shape[1])
        inputs, outputs = grad.split(ctx.counts), grad_qkv.split(ctx.counts)
        q, k, v, weights, *saved = ctx.saved_tensors
        dk, dv = torch.zeros_like(k), torch.zeros_like(v)  # from the prompts' own rows; dk still without scale
        for i, batch in enumerate(batches):
            _own_backward(batch, inputs, outputs, k, v, ctx.scale, *saved[2 * i : 2 * i + 2], dk, dv)
        (g,) = prefix.gather(inputs, 1)  # [G·H, S, C]
        ds = _softmax_backward(g @ v.mT, weights)  # [G·H, S, S]
        prefix.scatter([ds @ k, (dk + ds.mT @ q) * ctx.scale, dv + weights.mT @ g], outputs)
        return grad_qkv, None, None


@dataclass(frozen=True)
class _Batch:
    """Segments of the same G groups, computed together with R the rows of the longest.

    at: their place in a split by `packing.row_counts`.
    """

    segments: tuple[Segment, ...]
    at: slice
    heads: int

    @cached_property
    def groups(self) -> int:
        return self.segments[0].groups

    @cached_property
    def prompts(self) -> int:
        return sum(s.prompts for s in self.segments)

    @cached_property
    def rows(self) -> int:
        return max(s.rows for s in self.segments)

    def gather(self, parts: tuple[Tensor, ...], count: int) -> Tensor:
        """Packed [G·P·R, count · width] of each segment -> a copy [count, G·P·H, R, C]; padding is 0."""
        parts = parts[self.at]
        channels = parts[0].shape[-1] // count // self.heads
        make = parts[0].new_empty if len(self.segments) == 1 else parts[0].new_zeros
        x, first = make(count, self.groups, self.prompts, self.heads, self.rows, channels), 0
        for s, part in zip(self.segments, parts, strict=True):
            part = part.view(self.groups, s.prompts, s.rows, count, self.heads, channels)  # [G, P, R, count, H, C]
            x[:, :, first : first + s.prompts, :, : s.rows] = part.permute(3, 0, 1, 4, 2, 5)  # [count, G, P, H, R, C]
            first += s.prompts
        return x.flatten(1, 3)

    def scatter(self, values: list[Tensor], parts: tuple[Tensor, ...]) -> None:
        """[G·P·H, R, C] each -> side by side into the packed [G·P·R, len(values) · width] of each segment."""
        first = 0
        for s, part in zip(self.segments, parts[self.at], strict=True):
            part = part.view(self.groups, s.prompts, s.rows, len(values), self.heads, -1)  # [G, P, R, value, H, C]
            for i, value in enumerate(values):
                value = value.view(self.groups, self.prompts, self.heads, *value.shape[1:])  # [G, P, H, R, C]
                value = value[:, first : first + s.prompts, :, : s.rows]
                part[:, :, :, i].copy_(value.transpose(2, 3))  # [G, P, R, H, C]
            first += s.prompts

    def by_group(self, x: Tensor) -> Tensor:
        """[G·P·H, R, any] -> [G·H, P·R, any]"""
        x = x.view(self.groups, -1, self.heads, *x.shape[1:]).transpose(1, 2)  # [G, H, P, R, any]
        return x.reshape(self.groups * self.heads, -1, x.shape[-1])

    def by_prompt(self, x: Tensor) -> Tensor:
        """[G·H, P·R, any] -> [G·P·H, R, any]"""
        x = x.view(self.groups, self.heads, -1, self.rows, x.shape[-1]).transpose(1, 2)  # [G, P, H, R, any]
        return x.reshape(-1, self.rows, x.shape[-1])

    def of_its_groups(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """[all groups · H, S, C] each -> those of its groups, [G·H, S, C]."""
        first = self.segments[0].first_group * self.heads
        return tuple(x[first : first + self.groups * self.heads] for x in tensors)


@lru_cache(maxsize=64)
def _batches(packing: Packing, heads: int) -> list[_Batch]:
    """The prefixes as one batch, then the segments in batches of the same groups and similar lengths."""
    batches = [_Batch((Segment(0, packing.groups, 1, packing.shared),), slice(0, 1), heads)]
    for i, segment in enumerate(packing.segments, 1):
        last = batches[-1]
        joined = _Batch((*last.segments, segment), slice(last.at.start, i + 1), heads)
        same_groups = i > 1 and last.segments[0].first_group == segment.first_group
        rows = sum(s.prompts * s.rows for s in joined.segments)
        if same_groups and joined.prompts * joined.rows <= _MAX_PADDED * rows:
            batches[-1] = joined
        else:
            batches.append(_Batch((segment,), slice(i, i + 1), heads))
    return batches


def _own_forward(batch: _Batch, inputs, outputs, k0: Tensor, v0: Tensor, scale: float) -> list[Tensor]:
    """Attention of the batch's own rows, into `outputs`; returns what backward needs.

    k0 (scaled), v0: those of all prefixes, [all groups · H, S, C].
    """
    k0, v0 = batch.of_its_groups(k0, v0)
    qkv = batch.gather(inputs, 3)
    q, k, v = qkv  # [G·P·H, R, C] each
    k.mul_(scale)
    scores = [batch.by_prompt(batch.by_group(q) @ k0.mT), _causal(q @ k.mT)]
    weights = torch.cat(scores, dim=-1).softmax(-1)  # [G·P·H, R, S + R]
    to_prefix, to_own = weights.split([k0.shape[1], k.shape[1]], dim=-1)
    attended = batch.by_prompt(batch.by_group(to_prefix) @ v0)
    batch.scatter([attended.add_(to_own @ v)], outputs)
    return [qkv, weights]  # backward recomputes the rest from these, so the packed qkv can be freed


def _own_backward(batch: _Batch, inputs, outputs, k0, v0, scale, qkv, weights, dk0, dv0) -> None:
    """Gradients of its q, k, v, into `outputs`; those of prefix keys (unscaled) and values are added to dk0, dv0."""
    (k0, v0), (dk0, dv0), (q, k, v) = batch.of_its_groups(k0, v0), batch.of_its_groups(dk0, dv0), qkv
    (g,) = batch.gather(inputs, 1)  # [G·P·H, R, C]
    g_by_group, sizes = batch.by_group(g), [k0.shape[1], k.shape[1]]
    grad_weights = torch.cat([batch.by_prompt(g_by_group @ v0.mT), g @ v.mT], dim=-1)  # [G·P·H, R, S + R]
    ds_prefix, ds_own = _softmax_backward(grad_weights, weights).split(sizes, dim=-1)
    to_prefix, to_own = weights.split(sizes, dim=-1)
    ds_prefix, to_prefix = batch.by_group(ds_prefix), batch.by_group(to_prefix)  # [G·H, P·R, S]
    dk0.baddbmm_(ds_prefix.mT, batch.by_group(q))
    dv0.baddbmm_(to_prefix.mT, g_by_group)
    dq = batch.by_prompt(ds_prefix @ k0).add_(ds_own @ k)
    batch.scatter([dq, (ds_own.mT @ q).mul_(scale), to_own.mT @ g], outputs)


def _causal(scores: Tensor) -> Tensor:
    """Square scores [any, row, row] with the causal mask, in place."""
    return scores.masked_fill_(_later(scores.shape[-1], scores.device), float("-inf"))


@lru_cache(maxsize=128)
def _later(rows: int, device: torch.device) -> Tensor:
    """[query, key], True where the key comes after the query."""
    return torch.ones(rows, rows, dtype=torch.bool, device=device).triu_(1)


def _softmax_backward(grad: Tensor, weights: Tensor) -> Tensor:
    return torch.ops.aten._softmax_backward_data(grad, weights, -1, weights.dtype)
