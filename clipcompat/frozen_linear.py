"""Linear maps whose weights never change: laid out once as the CPU's kernels want them.

A matrix product first copies its weights into blocks. With two hundred rows that is a tenth of its time, in both
directions; weights that are frozen can be copied once (oneDNN calls it reordering, torch.compile does the same when it
"freezes" a model). torch has this only as operators without a promise: where they are missing, or refuse,
`torch.nn.functional.linear` does it, with the same result but for rounding.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW = 512  # rows; of more, the copy is a small part, and blocks are twice the memory of the weights


class FrozenLinear:
    """x -> x · weightᵀ + bias, with no gradient for either.

    weight: [out, in]; bias: [out]; in the type that x comes in.
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        self.weight, self.bias = weight.detach(), bias.detach()
        self._blocks: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """[row, in] -> [row, out]"""
        if x.device.type != "cpu" or not 1 < len(x) <= _FEW or not _can_reorder(x.dtype):
            return F.linear(x, self.weight, self.bias)
        if self._blocks is None:
            self._blocks = _reorder(self.weight, len(x)), _reorder(self.weight.T.contiguous(), len(x))
        return _Blocked.apply(x, *self._blocks, self.bias)


class _Blocked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, forward: Tensor, backward: Tensor, bias: Tensor) -> Tensor:
        ctx.blocks = backward
        return _multiply(x, forward, bias)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return _multiply(grad.contiguous(), ctx.blocks, None), None, None, None


def _reorder(weight: Tensor, rows: int) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight, rows)


def _multiply(x: Tensor, blocks: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, blocks, bias, "none", [], "")


@lru_cache
def _can_reorder(dtype: torch.dtype) -> bool:
    """Whether this torch has the operators, and they do what is expected of them."""
    x, weight, bias = torch.ones(2, 16, dtype=dtype), torch.eye(32, 16, dtype=dtype), torch.ones(32, dtype=dtype)
    try:
        return torch.equal(_multiply(x, _reorder(weight, 2), bias), F.linear(x, weight, bias))
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
