"""Causal attention over packed prompts, by two kernels of one meaning, softmax(q kᵀ / √channels) v.

"fused" is torch's kernel. Where prompts look back at rows they share, the shared keys are copied to each of them first.
"split" multiplies by shared keys and by own keys apart, with one softmax over both: no copies, and the shared part is
one large product. Which is faster was measured, backward included (benchmarks/attention.py): the split one where keys
of a long lead would be copied to many prompts; the fused one elsewhere, as it is a single kernel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.packing import Segment

Keys = tuple[Tensor, Tensor]
"""Keys and values, each [group, head, row, channel]."""

_COPIES = 1 << 18  # numbers; copying so many shared keys costs more than the second product


def lead(q: Tensor, k: Tensor, v: Tensor, groups: int, heads: int) -> tuple[Tensor, Keys]:
    """The rows that prompts begin with, among themselves: packed [row, width] -> the same, and what others look at."""
    q, k, v = (_heads(x, groups, heads) for x in (q, k, v))
    return _rows(F.scaled_dot_product_attention(q, k, v, is_causal=True)), (k, v)


def keys(k: Tensor, v: Tensor, groups: int, heads: int) -> Keys:
    """What prompts look at in their leads."""
    return _heads(k, groups, heads), _heads(v, groups, heads)


def attend(
    q: Tensor, k: Tensor, v: Tensor, segment: Segment, heads: int, before: Keys | None = None,
    ends: Tensor | None = None, kernel: str | None = None,
) -> Tensor:  # fmt: skip
    """The own rows of a segment's prompts: to those before them, and to their group's lead.

    Args:
        q: packed [row, width], all own rows, or one a prompt. k, v: packed [row, width], all own rows.
        before: keys and values of all groups' leads.
        ends: [prompt], the last own row that a prompt's only query sees; None: a prompt's last query sees all its rows,
            the one before it one fewer, and so on.
        kernel: "fused" or "split"; None chooses by the measurement above.

    Returns:
        packed, as q.
    """
    prompts = segment.groups * segment.prompts
    if before is not None:
        before = tuple(x[segment.first : segment.first + segment.groups] for x in before)
    split = before is not None and kernel == "split"
    if before is not None and kernel is None:
        shared = before[0].shape[2]
        split = shared >= 2 * segment.rows and prompts * shared * q.shape[-1] >= _COPIES
    q, k, v = (_heads(x, prompts, heads) for x in (q, k, v))
    seen = _seen(q.shape[2], segment.rows, ends, q.device)
    if split:
        return _rows(_Split.apply(q, k, v, *before, seen))
    if before is not None:
        k, v = _join(before[0], k), _join(before[1], v)
        if seen is not None:
            seen = F.pad(seen, (k.shape[2] - segment.rows, 0), value=True)
    causal = before is None and ends is None and q.shape[2] > 1
    return _rows(F.scaled_dot_product_attention(q, k, v, attn_mask=None if causal else seen, is_causal=causal))


class _Split(torch.autograd.Function):
    """softmax of q over shared and own keys together; written out, as autograd would copy every view both ways."""

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, k0: Tensor, v0: Tensor, seen: Tensor | None) -> Tensor:
        groups = len(k0)
        q = q * q.shape[-1] ** -0.5
        q, k, v, k0, v0 = (x.contiguous() for x in (q, k, v, k0, v0))
        own = q @ k.mT  # [prompt, head, query, row]
        if seen is not None:
            own.masked_fill_(~seen, float("-inf"))
        shared = _together(q, groups) @ k0.mT  # [group, head, prompt · query, shared row]
        weights = torch.cat([_apart(shared, q.shape[2]), own], dim=-1).softmax(-1)
        ctx.save_for_backward(q, k, v, k0, v0, weights)
        to_shared, to_own = weights.split([k0.shape[2], k.shape[2]], dim=-1)
        return _apart(_together(to_shared, groups) @ v0, q.shape[2]) + to_own @ v

    @staticmethod
    def backward(ctx, grad: Tensor):
        q, k, v, k0, v0, weights = ctx.saved_tensors
        groups, queries, sizes = len(k0), q.shape[2], [k0.shape[2], k.shape[2]]
        grad = grad.contiguous()
        of_group = _together(grad, groups)
        to_shared, to_own = weights.split(sizes, dim=-1)
        change = torch.cat([_apart(of_group @ v0.mT, queries), grad @ v.mT], dim=-1)
        change = torch.ops.aten._softmax_backward_data(change, weights, -1, weights.dtype)
        shared, own = change.split(sizes, dim=-1)
        shared = _together(shared, groups)
        return (
            (_apart(shared @ k0, queries) + own @ k) * q.shape[-1] ** -0.5,
            own.mT @ q,
            to_own.mT @ grad,
            shared.mT @ _together(q, groups),
            _together(to_shared, groups).mT @ of_group,
            None,
        )


def _seen(queries: int, rows: int, ends: Tensor | None, device: torch.device) -> Tensor | None:
    """Which own rows a query sees, [query, row] or [prompt, 1, 1, row]; None: all."""
    if ends is not None:
        return torch.arange(rows, device=device) <= ends[:, None, None, None]
    return torch.ones(queries, rows, dtype=torch.bool, device=device).tril(rows - queries) if queries > 1 else None


def _together(x: Tensor, groups: int) -> Tensor:
    """[prompt, head, query, any] -> [group, head, prompt · query, any]"""
    return x.unflatten(0, (groups, -1)).transpose(1, 2).flatten(2, 3)


def _apart(x: Tensor, queries: int) -> Tensor:
    """[group, head, prompt · query, any] -> [prompt, head, query, any]"""
    return x.unflatten(2, (-1, queries)).transpose(1, 2).flatten(0, 1)


def _join(shared: Tensor, own: Tensor) -> Tensor:
    """Every prompt's own rows behind those of its group: [group, …], [prompt, …] -> [prompt, …]."""
    each = shared[:, None].expand(-1, len(own) // len(shared), -1, -1, -1)
    return torch.cat([each.flatten(0, 1), own], dim=2)


def _heads(x: Tensor, prompts: int, heads: int) -> Tensor:
    """Packed [prompt · row, width] -> [prompt, head, row, channel]."""
    return x.reshape(prompts, -1, heads, x.shape[-1] // heads).transpose(1, 2)


def _rows(x: Tensor) -> Tensor:
    """[prompt, head, row, channel] -> packed [prompt · row, width]."""
    return x.transpose(1, 2).reshape(-1, x.shape[1] * x.shape[3])
