"""Causal attention over packed prompts by torch's fused kernel, softmax(q kᵀ / √channels) v.

Used for prompts without a shared prefix, and for the last block, where one row per prompt is a query. A shared prefix's
keys and values are first copied for each prompt. For all rows of prompts with a long prefix the copies cost more than
they save, so `clipcompat.backbones.text.split_attention` is used there; packings of few rows use
`clipcompat.backbones.text.masked_attention`. benchmarks/attention.py measured which is faster, backward included.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.text.packing import Segment

KeysAndValues = tuple[Tensor, Tensor]
"""Each [group, head, row, channel]."""


def prefix_keys(k: Tensor, v: Tensor, groups: int, heads: int) -> KeysAndValues:
    """Keys and values of all prefixes, from packed [group · row, width]."""
    return _to_heads(k, groups, heads), _to_heads(v, groups, heads)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    segment: Segment,
    heads: int,
    prefix: KeysAndValues | None = None,
    last: Tensor | None = None,
) -> Tensor:
    """Attention of a segment's prompts to their own rows and their group's prefix.

    Args:
        q: packed [row, width], all own rows or one per prompt. k, v: packed [row, width], all own rows.
        prefix: of all groups; None if prompts share nothing.
        last: [prompt], the last own row that a prompt's only query sees. None: a prompt's last query sees all its rows,
            the one before it one fewer, and so on.

    Returns:
        packed, as q.
    """
    prompts = segment.groups * segment.prompts
    q, k, v = (_to_heads(x, prompts, heads) for x in (q, k, v))
    queries = q.shape[2]
    if prefix is None and last is None:
        return _to_rows(F.scaled_dot_product_attention(q, k, v, is_causal=queries > 1))
    mask = None  # True where a query sees a key
    if last is not None:
        mask = torch.arange(segment.rows, device=q.device) <= last[:, None, None, None]  # [prompt, 1, 1, row]
    elif queries > 1:
        mask = torch.ones(queries, segment.rows, dtype=torch.bool, device=q.device).tril(segment.rows - queries)
    if prefix is not None:
        k, v = (_join(x[segment.first_group :][: segment.groups], own) for x, own in zip(prefix, (k, v), strict=True))
        mask = None if mask is None else F.pad(mask, (k.shape[2] - segment.rows, 0), value=True)
    return _to_rows(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))


def _join(prefix: Tensor, own: Tensor) -> Tensor:
    """[group, head, row, channel] and [prompt, head, row, channel] -> each prompt's prefix and own rows."""
    # [group, prompt of the group, head, row, channel] -> [prompt, head, row, channel]
    prefix = prefix[:, None].expand(-1, len(own) // len(prefix), -1, -1, -1).flatten(0, 1)
    return torch.cat([prefix, own], dim=2)


def _to_heads(x: Tensor, prompts: int, heads: int) -> Tensor:
    """Packed [prompt · row, width] -> [prompt, head, row, channel]."""
    return x.reshape(prompts, -1, heads, x.shape[-1] // heads).transpose(1, 2)


def _to_rows(x: Tensor) -> Tensor:
    """[prompt, head, row, channel] -> packed [prompt · row, width]."""
    return x.transpose(1, 2).reshape(-1, x.shape[1] * x.shape[3])
