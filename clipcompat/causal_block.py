"""One block of a causal text transformer over prompts that begin alike.

Under a causal mask a row never depends on what follows it. Rows that all prompts share (SOS and a common context) are
therefore the same in every prompt at every layer: they are computed once, and each prompt's own rows look back at
their keys and values. After the last block only the end-of-text row is read, so only that row is computed there.
Both are exact: the same sums in another order.

Rows are packed, [row, width]: the shared ones first, group by group, then those of each prompt, all of one length.
Everything but attention acts on single rows and does not care whose they are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def advance(block: nn.Module, x: Tensor, shared: int, prompts: int, groups: int = 1) -> Tensor:
    """Packed rows through one block: [groups · shared + prompts · own, width] -> the same shape."""
    attn, lead = block.attn, groups * shared
    qkv = F.linear(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias)
    q, k, v = (_heads(part, prompts, attn.num_heads) for part in qkv[lead:].chunk(3, -1))
    mixed = []
    if shared:
        q0, k0, v0 = (_heads(part, groups, attn.num_heads) for part in qkv[:lead].chunk(3, -1))
        mixed = [_rows(_attention(q0, k0, v0))]
        k, v = _join(k0, k), _join(v0, v)
    mixed.append(_rows(_attention(q, k, v)))
    return _rest(block, x, torch.cat(mixed) if shared else mixed[0])


def finish(block: nn.Module, x: Tensor, shared: int, prompts: int, eot: Tensor, groups: int = 1) -> Tensor:
    """The end-of-text row of every prompt through the last block: [prompt, width]. eot: [prompt], in its own rows."""
    attn, width, lead = block.attn, x.shape[-1], groups * shared
    h = block.ln_1(x)
    own = (len(x) - lead) // prompts
    at = lead + own * torch.arange(prompts, device=x.device) + eot
    q = _heads(F.linear(h[at], attn.in_proj_weight[:width], attn.in_proj_bias[:width]), prompts, attn.num_heads)
    kv = F.linear(h, attn.in_proj_weight[width:], attn.in_proj_bias[width:])
    k, v = (_heads(part, prompts, attn.num_heads) for part in kv[lead:].chunk(2, -1))
    if shared:
        k0, v0 = (_heads(part, groups, attn.num_heads) for part in kv[:lead].chunk(2, -1))
        k, v = _join(k0, k), _join(v0, v)
    seen = torch.arange(shared + own, device=x.device) <= (shared + eot)[:, None]
    return _rest(block, x[at], _rows(_attention(q, k, v, seen[:, None, None])))


def _rest(block: nn.Module, x: Tensor, mixed: Tensor) -> Tensor:
    """What follows attention, row by row."""
    x = x + block.ls_1(block.attn.out_proj(mixed))
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def _heads(x: Tensor, prompts: int, heads: int) -> Tensor:
    """Packed [prompt · row, width] -> [prompt, head, row, channel]."""
    return x.reshape(prompts, -1, heads, x.shape[-1] // heads).transpose(1, 2)


def _rows(x: Tensor) -> Tensor:
    """[prompt, head, row, channel] -> packed [prompt · row, width]."""
    return x.transpose(1, 2).reshape(-1, x.shape[1] * x.shape[3])


def _join(shared: Tensor, own: Tensor) -> Tensor:
    """Every prompt's own rows behind those of its group: [group, …], [prompt, …] -> [prompt, …]."""
    each = shared[:, None].expand(-1, len(own) // len(shared), -1, -1, -1)
    return torch.cat([each.flatten(0, 1), own], dim=2)


def _attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √channels) v; by default the last row of q is level with the last of k, and none looks ahead."""
    rows, ahead = q.shape[2], k.shape[2] - q.shape[2]
    if seen is None and ahead:
        seen = torch.ones(rows, k.shape[2], dtype=torch.bool, device=q.device).tril(ahead)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=seen is None)
