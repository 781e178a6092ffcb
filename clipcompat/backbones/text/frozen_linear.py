"""Linear layers with frozen weights, reordered once into the blocks that the CPU's kernels read.

A matrix product on a CPU first copies its weights into blocks (oneDNN calls it reordering). Frozen weights can be
copied once. Without that, a step of CoOp with 47 classes takes 29 % (float32) or 11 % (bfloat16) longer, with 10
classes 55 %. torch offers this only as private operators: if they are missing or refuse, `torch.nn.functional.linear`
computes the same up to rounding.
"""

from functools import cached_property, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_MAX_ROWS = 512  # with more rows the copy is a small part of the time, and blocks double the memory of the weights


class FrozenLinear:
    """x -> x · weightᵀ + bias, without gradients for weight and bias.

    weight: [out, in], must not change afterwards. bias: [out]. Both in the type of x.
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        self.weight, self.bias = weight.detach(), bias.detach()

    def __call__(self, x: Tensor) -> Tensor:
        """[row, in] -> [row, out]"""
        if self._uses_blocks(x):
            return _Blocked.apply(x, self)
        return F.linear(x, self.weight, self.bias)

    @cached_property
    def blocks(self) -> Tensor:
        """The reordered weight, for forward."""
        return _reorder(self.weight)

    @cached_property
    def transposed_blocks(self) -> Tensor:
        """The reordered transpose, for backward."""
        return _reorder(self.weight.T.contiguous())

    def _uses_blocks(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or not 1 < len(x) <= _MAX_ROWS:
            return False
        # the private operators ignore autocast
        return x.dtype == self.weight.dtype and not torch.is_autocast_enabled("cpu") and _can_reorder(x.dtype)

    def __getstate__(self) -> dict[str, Tensor]:
        """Without blocks: they can be neither copied nor pickled, and are made again."""
        return {"weight": self.weight, "bias": self.bias}


class _Blocked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, linear: FrozenLinear) -> Tensor:
        ctx.linear = linear
        return _multiply(x, linear.blocks, linear.bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        return _multiply(grad.contiguous(), ctx.linear.transposed_blocks, None), None


def _reorder(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight, _MAX_ROWS // 2)  # the number of rows to optimise for


def _multiply(x: Tensor, blocks: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, blocks, bias, "none", [], "")


@lru_cache
def _can_reorder(dtype: torch.dtype) -> bool:
    """Whether this torch has the operators and they compute a linear layer."""
    x, weight, bias = torch.ones(2, 16, dtype=dtype), torch.eye(32, 16, dtype=dtype), torch.ones(32, dtype=dtype)
    try:
        return torch.equal(_multiply(x, _reorder(weight), bias), F.linear(x, weight, bias))
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
