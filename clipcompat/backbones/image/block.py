"""One frozen block of open_clip's plain vision transformer, in which every row attends to every row.

It computes what open_clip's own module computes, with three savings. Weights are cast once, not for every batch as
under autocast. No product gets a transposed view, which torch's attention module passes and which makes bfloat16 on a
CPU forty times slower. After the last block only the class token is computed.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_QUICK = 1.702  # QuickGELU(x) = x · sigmoid(1.702 x) = SiLU(1.702 x) / 1.702


class VisionBlock:
    """x += attention(ln_1 x);  x += mlp(ln_2 x), with the weights of an open_clip `ResidualAttentionBlock`.

    Weights are stored in the type the tower runs in; norms and the residual stream stay float32, as under autocast.
    Rows that need no gradient are overwritten, which saves memory. Weights get none.
    """

    def __init__(self, block: nn.Module, dtype: torch.dtype = torch.float32):
        attn, mlp = block.attn, block.mlp
        self._heads, self._width, self._dtype = attn.num_heads, attn.embed_dim, dtype
        self._norms = [(n.weight.detach(), n.bias.detach(), n.eps) for n in (block.ln_1, block.ln_2)]
        self._quick = type(mlp.gelu).__name__ == "QuickGELU"
        self._act, self._factor = mlp.gelu, _QUICK if self._quick else 1.0
        self._qkv = _cast(attn.in_proj_weight, attn.in_proj_bias, dtype)
        self._out = _cast(attn.out_proj.weight, attn.out_proj.bias, dtype)
        self._up = _cast(mlp.c_fc.weight, mlp.c_fc.bias, dtype)
        self._down = _cast(mlp.c_proj.weight, mlp.c_proj.bias * self._factor, dtype)
        self._scales = [None if isinstance(s, nn.Identity) else s.gamma.detach() for s in (block.ls_1, block.ls_2)]

    @staticmethod
    def can_read(block: nn.Module) -> bool:
        """Whether this is CLIP's block and not another variant of open_clip's."""
        return type(block).__name__ == "ResidualAttentionBlock" and not hasattr(block, "ln_1_kv")

    def __call__(self, x: Tensor, change: Callable[[slice, Tensor], Tensor] | None = None) -> Tensor:
        """[picture, row, width] float32 -> the same after this block, in place if x needs no gradient.

        change: (which of queries, keys and values; input of the attention) -> what is added to them, side by side.
        """
        h = self._norm(x, 0)
        qkv = F.linear(h, *self._qkv)
        if change is not None:
            qkv = qkv + change(slice(0, 3), h)
        q, k, v = self._split(qkv)
        return self._after_attention(x, F.scaled_dot_product_attention(q, k, v))

    def first_row(self, x: Tensor, change: Callable[[slice, Tensor], Tensor] | None = None) -> Tensor:
        """[picture, row, width] float32 -> [picture, 1, width]: the first row after this block, the tower's last."""
        h, (weight, bias) = self._norm(x, 0), self._qkv
        q = F.linear(h[:, :1], weight[: self._width], bias[: self._width])
        kv = F.linear(h, weight[self._width :], bias[self._width :])
        if change is not None:
            q, kv = q + change(slice(0, 1), h[:, :1]), kv + change(slice(1, 3), h)
        (q,), (k, v) = self._split(q), self._split(kv)
        return self._after_attention(x[:, :1].clone(), F.scaled_dot_product_attention(q, k, v))

    def _norm(self, x: Tensor, which: int) -> Tensor:
        weight, bias, eps = self._norms[which]
        return F.layer_norm(x, (self._width,), weight, bias, eps).to(self._dtype)

    def _split(self, x: Tensor) -> Tensor:
        """[picture, row, n · width] -> [n, picture, head, row, channel]"""
        x = x.unflatten(-1, (-1, self._heads, self._width // self._heads))  # [picture, row, n, head, channel]
        return x.permute(2, 0, 3, 1, 4)

    def _after_attention(self, x: Tensor, attended: Tensor) -> Tensor:
        """The rest of the block: x [picture, row, width], attended [picture, head, row, channel]."""
        attended = attended.transpose(1, 2).flatten(2)  # [picture, row, width]
        x = _add(x, F.linear(attended, *self._out), self._scales[0])
        hidden = F.linear(self._norm(x, 1), *self._up)  # [picture, row, 4 · width]
        if self._quick:
            hidden = F.silu(hidden.mul_(_QUICK), inplace=not hidden.requires_grad)
        else:
            hidden = self._act(hidden)
        return _add(x, F.linear(hidden, *self._down), self._scales[1], 1 / self._factor)


def _add(x: Tensor, change: Tensor, scale: Tensor | None, factor: float = 1.0) -> Tensor:
    """x + factor · scale · change, in place if neither needs a gradient; scale: of LayerScale."""
    change = change if scale is None else change * scale
    if x.requires_grad or change.requires_grad:
        return torch.add(x, change, alpha=factor)
    return x.add_(change, alpha=factor)


def _cast(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return weight.detach().to(dtype), bias.detach().to(dtype)
