"""Causal attention over packed prompts by torch's fused kernel, softmax(q kᵀ / √channels) v.

Where prompts look back at rows they share, the shared keys are copied to each of them first. Over all rows of prompts
with a long lead that costs more than it saves, and `clipcompat.backbones.text.split_attention` does without the
copies; here are prompts that share nothing, and the last block, where one row a prompt looks back. A packing of few
rows takes neither, but `clipcompat.backbones.text.masked_attention`. Which is faster where was measured, backward
included (benchmarks/attention.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.text.packing import Segment

Keys = tuple[Tensor, Tensor]
"""Keys and values, each [group, head, row, channel]."""


def keys(k: Tensor, v: Tensor, groups: int, heads: int) -> Keys:
    """What prompts look at in their leads, from packed rows [group · row, width]."""
    return _heads(k, groups, heads), _heads(v, groups, heads)


def attend(
    q: Tensor, k: Tensor, v: Tensor, segment: Segment, heads: int, before: Keys | None = None,
    ends: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Rows of a segment's prompts: to those before them, and to their group's lead.

    Args:
        q: packed [row, width], all own rows, or one a prompt. k, v: packed [row, width], all own rows.
        before: keys and values of all groups' leads.
        ends: [prompt], the last own row that a prompt's only query sees; None: a prompt's last query sees all its rows,
            the one before it one fewer, and so on.

    Returns:
        packed, as q.
    """
    prompts = segment.groups * segment.prompts
    q, k, v = (_heads(x, prompts, heads) for x in (q, k, v))
    queries = q.shape[2]
    if before is None and ends is None:
        return _rows(F.scaled_dot_product_attention(q, k, v, is_causal=queries > 1))
    seen = None
    if ends is not None:
        seen = torch.arange(segment.rows, device=q.device) <= ends[:, None, None, None]  # [prompt, 1, 1, row]
    elif queries > 1:
        square = torch.ones(queries, segment.rows, dtype=torch.bool, device=q.device)
        seen = square.tril(segment.rows - queries)
    if before is not None:
        k, v = (_join(shared[segment.first :][: segment.groups], x) for shared, x in zip(before, (k, v), strict=True))
        seen = None if seen is None else F.pad(seen, (k.shape[2] - segment.rows, 0), value=True)
    return _rows(F.scaled_dot_product_attention(q, k, v, attn_mask=seen))


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
