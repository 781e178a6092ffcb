"""One frozen block of a causal text transformer, over packed prompts.

Under a causal mask a row never depends on what follows it. Rows that all prompts of a group share (SOS and a common
context) are therefore the same in each of them at every layer: they are computed once, and each prompt's own rows look
back at their keys and values. After the last block only the end-of-text row is read, so only that row is computed
there. Both are exact: the same sums in another order.

Weights get no gradient, so a training step keeps nothing for them and never casts them again: they are held in the
type the tower runs in. Norms and the residual stream stay float32, as under autocast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcompat.backbones.text.frozen_linear import FrozenLinear
from clipcompat.backbones.text.fused_attention import attend, keys
from clipcompat.backbones.text.masked_attention import MaskedAttention, attend_from_ends
from clipcompat.backbones.text.packing import Packing
from clipcompat.backbones.text.split_attention import SplitAttention

_MASKED = {"cpu": 256, "other": 512}  # rows up to which all look at all, through a mask (a GPU's number: not measured)
_QUICK = 1.702  # QuickGELU(x) = x · sigmoid(1.702 x)


class Block:
    """x += attention(ln_1 x);  x += mlp(ln_2 x), with the weights of an open_clip `ResidualAttentionBlock`.

    Attributes: heads, width, quick_gelu.
    """

    def __init__(self, block: nn.Module, dtype: torch.dtype = torch.float32):
        attn, mlp = block.attn, block.mlp
        self.heads, self.width = attn.num_heads, attn.embed_dim
        self.quick_gelu = type(mlp.gelu).__name__ == "QuickGELU"
        self._norms, self._eps = _tensors(block, "ln_1", "ln_2"), (block.ln_1.eps, block.ln_2.eps)
        self._dtype = dtype
        weight, bias = attn.in_proj_weight.detach().to(dtype), attn.in_proj_bias.detach().to(dtype)
        self._qkv = FrozenLinear(weight, bias)
        self._q = FrozenLinear(weight[: self.width], bias[: self.width])
        self._kv = FrozenLinear(weight[self.width :], bias[self.width :])
        self._out = _linear(attn.out_proj, dtype, block.ls_1)
        # QuickGELU(x) = SiLU(1.702 x) / 1.702: one kernel instead of three, its factors are in the weights around it
        factor = _QUICK if self.quick_gelu else 1.0
        self._act = F.silu if self.quick_gelu else mlp.gelu
        self._up, self._down = _linear(mlp.c_fc, dtype, factor), _linear(mlp.c_proj, dtype, block.ls_2, 1 / factor)

    def advance(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed rows [row, width] -> the same, after this block."""
        qkv = self._qkv(self._norm(x, 0))
        if _few(packing, x) or packing.shared:
            attention = MaskedAttention if _few(packing, x) else SplitAttention
            return self._rest(x, attention.apply(qkv, packing, self.heads))
        pieces = zip(packing.segments, qkv.split(packing.sizes[0][1:]), strict=True)
        mixed = [attend(*piece.chunk(3, -1), segment, self.heads) for segment, piece in pieces]
        return self._rest(x, torch.cat(mixed) if len(mixed) > 1 else mixed[0])

    def finish(self, x: Tensor, packing: Packing) -> Tensor:
        """The end-of-text row of every prompt after this block, the tower's last: [prompt, width], in packed order."""
        h, (ends, among_own) = self._norm(x, 0), packing.ends
        q, kv = self._q(h[ends]), self._kv(h)
        if _few(packing, x):
            return self._rest(x[ends], attend_from_ends(q, *kv.chunk(2, -1), packing, self.heads))
        first, *own = kv.split(packing.sizes[0])
        before = keys(*first.chunk(2, -1), packing.groups, self.heads) if packing.shared else None
        rows, counts = q.split(packing.sizes[1]), packing.sizes[1]
        # without padding, EOT is every prompt's last row and sees all
        seen = among_own.split(counts) if packing.padded else [None] * len(counts)
        mixed = [
            attend(q, *kv.chunk(2, -1), segment, self.heads, before, last)
            for segment, q, kv, last in zip(packing.segments, rows, own, seen, strict=True)
        ]
        return self._rest(x[ends], torch.cat(mixed))

    def _norm(self, x: Tensor, which: int) -> Tensor:
        weight, bias = self._norms[which]
        return F.layer_norm(x, (self.width,), weight, bias, self._eps[which]).to(self._dtype)

    def _rest(self, x: Tensor, mixed: Tensor) -> Tensor:
        """What follows attention, row by row."""
        x = _plus(self._out(mixed), x)
        return _plus(self._down(self._act(self._up(self._norm(x, 1)))), x)


def _few(packing: Packing, x: Tensor) -> bool:
    return packing.rows <= _MASKED.get(x.device.type, _MASKED["other"])


def _plus(change: Tensor, x: Tensor) -> Tensor:
    """x + change, in the memory of a change that is of x's type: nobody else looks at it."""
    return change.add_(x) if change.dtype == x.dtype else x + change


def _tensors(block: nn.Module, *names: str) -> list[tuple[Tensor, Tensor]]:
    return [(getattr(block, n).weight.detach(), getattr(block, n).bias.detach()) for n in names]


def _linear(linear: nn.Module, dtype: torch.dtype, out: nn.Module | float = 1.0, into: float = 1.0) -> FrozenLinear:
    """A linear map, with what its input and its output are multiplied by put into them.

    out: a number, or the LayerScale behind the map (few towers have one).
    """
    weight, bias = linear.weight.detach(), linear.bias.detach()
    if isinstance(out, nn.Module):
        out = 1.0 if isinstance(out, nn.Identity) else out.gamma.detach()[:, None]
    if not isinstance(out, float) or (out, into) != (1.0, 1.0):
        weight, bias = into * out * weight, (out * bias[:, None])[:, 0].contiguous()
    return FrozenLinear(weight.to(dtype), bias.to(dtype))
