"""One frozen block of a causal text transformer, over packed prompts.

Under a causal mask a row never depends on later rows. A prefix that the prompts of a group share (SOS and a common
context) is therefore the same in each of them at every layer: it is computed once, and each prompt's own rows attend to
its keys and values. After the last block only the end-of-text row is read, so only that row is computed there. Both are
exact: the same sums in another order.

Weights get no gradient, so they are stored in the type the tower runs in, and a training step saves nothing for them.
Norms and the residual stream stay float32, as under autocast.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcompat.backbones.text.frozen_linear import FrozenLinear
from clipcompat.backbones.text.fused_attention import attend, prefix_keys
from clipcompat.backbones.text.masked_attention import MaskedAttention, attend_from_eot
from clipcompat.backbones.text.packing import Packing
from clipcompat.backbones.text.split_attention import SplitAttention

_MASKED = {"cpu": 256, "other": 512}  # up to so many rows use masked attention (the number for GPUs: not measured)
_QUICK = 1.702  # QuickGELU(x) = x · sigmoid(1.702 x)
Change = Callable[[slice, Tensor], Tensor] | None
"""(which of queries, keys and values; input of the attention [row, width]) -> what is added, side by side."""


class Block:
    """x += attention(ln_1 x);  x += mlp(ln_2 x), with the weights of an open_clip `ResidualAttentionBlock`.

    Attributes: heads, width, quick_gelu.
    """

    def __init__(self, block: nn.Module, dtype: torch.dtype = torch.float32):
        attn, mlp = block.attn, block.mlp
        self.heads, self.width = attn.num_heads, attn.embed_dim
        self.quick_gelu = type(mlp.gelu).__name__ == "QuickGELU"
        self._norms = [(n.weight.detach(), n.bias.detach(), n.eps) for n in (block.ln_1, block.ln_2)]
        self._dtype = dtype
        weight, bias = attn.in_proj_weight.detach().to(dtype), attn.in_proj_bias.detach().to(dtype)
        self._qkv = FrozenLinear(weight, bias)
        self._q = FrozenLinear(weight[: self.width], bias[: self.width])
        self._kv = FrozenLinear(weight[self.width :], bias[self.width :])
        self._out = _linear(attn.out_proj, dtype, block.ls_1)
        # QuickGELU(x) = SiLU(1.702 x) / 1.702: one kernel instead of three; both factors go into the weights around it
        factor = _QUICK if self.quick_gelu else 1.0
        self._act = F.silu if self.quick_gelu else mlp.gelu
        self._up, self._down = _linear(mlp.c_fc, dtype, factor), _linear(mlp.c_proj, dtype, block.ls_2, 1 / factor)

    def forward(self, x: Tensor, packing: Packing, change: Change = None) -> Tensor:
        """Packed rows [row, width] -> the same after this block."""
        h = self._norm(x, 0)
        qkv = self._qkv(h)  # [row, 3 · width]
        if change is not None:
            qkv = qkv + change(slice(0, 3), h)
        if _is_small(packing, x):
            return self._after_attention(x, MaskedAttention.apply(qkv, packing, self.heads))
        if packing.shared:
            return self._after_attention(x, SplitAttention.apply(qkv, packing, self.heads))
        own = zip(packing.segments, qkv.split(packing.row_counts[1:]), strict=True)
        attended = [attend(*rows.chunk(3, -1), segment, self.heads) for segment, rows in own]
        return self._after_attention(x, torch.cat(attended) if len(attended) > 1 else attended[0])

    def forward_eot(self, x: Tensor, packing: Packing, change: Change = None) -> Tensor:
        """The end-of-text rows after this block, the tower's last: [row, width] -> [prompt, width], in packed order."""
        h, (eot, eot_in_own) = self._norm(x, 0), packing.eot_rows
        q, kv = self._q(h[eot]), self._kv(h)  # [prompt, width], [row, 2 · width]
        if change is not None:
            q, kv = q + change(slice(0, 1), h[eot]), kv + change(slice(1, 3), h)
        if _is_small(packing, x):
            return self._after_attention(x[eot], attend_from_eot(q, *kv.chunk(2, -1), packing, self.heads))
        first, *own = kv.split(packing.row_counts)
        prefix = prefix_keys(*first.chunk(2, -1), packing.groups, self.heads) if packing.shared else None
        counts = packing.prompt_counts
        # without padding, EOT is every prompt's last row and sees all
        last = eot_in_own.split(counts) if packing.padded else [None] * len(counts)
        attended = [
            attend(q, *kv.chunk(2, -1), segment, self.heads, prefix, last)
            for segment, q, kv, last in zip(packing.segments, q.split(counts), own, last, strict=True)
        ]
        return self._after_attention(x[eot], torch.cat(attended))

    def _norm(self, x: Tensor, which: int) -> Tensor:
        weight, bias, eps = self._norms[which]
        return F.layer_norm(x, (self.width,), weight, bias, eps).to(self._dtype)

    def _after_attention(self, x: Tensor, attended: Tensor) -> Tensor:
        """The rest of the block, row by row."""
        x = _add(self._out(attended), x)
        return _add(self._down(self._act(self._up(self._norm(x, 1)))), x)


def _is_small(packing: Packing, x: Tensor) -> bool:
    return packing.rows <= _MASKED.get(x.device.type, _MASKED["other"])


def _add(change: Tensor, x: Tensor) -> Tensor:
    """x + change, in the memory of `change` if the types agree: nothing else reads it."""
    return change.add_(x) if change.dtype == x.dtype else x + change


def _linear(linear: nn.Module, dtype: torch.dtype, out: nn.Module | float = 1.0, into: float = 1.0) -> FrozenLinear:
    """A linear layer whose input is multiplied by `into` and whose output by `out`, both merged into its weights.

    out: a number, or the LayerScale after the layer (few towers have one).
    """
    weight, bias = linear.weight.detach(), linear.bias.detach()
    if isinstance(out, nn.Module):
        out = 1.0 if isinstance(out, nn.Identity) else out.gamma.detach()[:, None]  # [out, 1]
    if not isinstance(out, float) or (out, into) != (1.0, 1.0):
        weight, bias = into * out * weight, (out * bias[:, None])[:, 0].contiguous()
    return FrozenLinear(weight.to(dtype), bias.to(dtype))
