"""Linear maps whose weights never change: laid out once as the CPU's kernels want them.

A matrix product first copies its weights into blocks. With two hundred rows that is a tenth of its time, in both
directions; weights that are frozen can be copied once (oneDNN calls it reordering, torch.compile does the same when it
"freezes" a model). torch has this only as operators without a promise: where they are missing, or refuse,
`torch.nn.functional.linear` does it, with the same result but for rounding.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_FEW = 512  # rows; of more, the copy is a small part, and blocks are twice the memory of the weights


class FrozenLinear:
    """x -> x · weightᵀ + bias, with no gradient for either.

    weight: [out, in], which must not be changed afterwards; bias: [out]; in the type that x comes in.
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        self.weight, self.bias = weight.detach(), bias.detach()

    def __call__(self, x: Tensor) -> Tensor:
        """[row, in] -> [row, out]"""
        if self._in_blocks(x):
            return _Blocked.apply(x, self)
        return F.linear(x, self.weight, self.bias)

    @cached_property
    def forward(self) -> Tensor:
        """The weight in blocks, for values."""
        return _reorder(self.weight)

    @cached_property
    def backward(self) -> Tensor:
        """Its transpose in blocks, for gradients."""
        return _reorder(self.weight.T.contiguous())

    def _in_blocks(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or not 1 < len(x) <= _FEW:
            return False
        # autocast knows nothing of these operators
        return x.dtype == self.weight.dtype and not torch.is_autocast_enabled("cpu") and _can_reorder(x.dtype)

    def __getstate__(self) -> dict[str, Tensor]:
        """Blocks can be neither copied nor written, and are made again."""
        return {"weight": self.weight, "bias": self.bias}


class _Blocked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, linear: FrozenLinear) -> Tensor:
        ctx.linear = linear
        return _multiply(x, linear.forward, linear.bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        return _multiply(grad.contiguous(), ctx.linear.backward, None), None


def _reorder(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight, _FEW // 2)  # for products with so many rows


def _multiply(x: Tensor, blocks: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, blocks, bias, "none", [], "")


@lru_cache
def _can_reorder(dtype: torch.dtype) -> bool:
    """Whether this torch has the operators, and they do what is expected of them."""
    x, weight, bias = torch.ones(2, 16, dtype=dtype), torch.eye(32, 16, dtype=dtype), torch.ones(32, dtype=dtype)
    try:
        return torch.equal(_multiply(x, _reorder(weight), bias), F.linear(x, weight, bias))
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
