"""The arithmetic limit: multiplications that prompts cannot do without, and how fast a device multiplies."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import torch

from benchmarks.clocks import clock
from clipcompat.backbones.backbone import Backbone


def required_flops(
    lengths: Sequence[int], shared: int, width: int, layers: int, dim: int, backward: bool = True
) -> float:
    """FLOPs (two a multiplication) of one pass over prompts of these lengths, EOT included, without any padding.

    Rows that all prompts share count once; in the last block only keys and values of all rows, and the EOT rows.
    Backward through frozen weights costs what forward does, in attention twice that.
    """
    own = [n - shared for n in lengths]
    rows = shared + sum(own)
    products = (layers - 1) * rows * 12 * width**2 + rows * 2 * width**2 + len(own) * (10 * width**2 + width * dim)
    seen = shared * (shared + 1) / 2 + sum(r * shared + r * (r + 1) / 2 for r in own)
    attention = 2 * width * ((layers - 1) * seen + sum(lengths))
    return 2 * (products * (2 if backward else 1) + attention * (3 if backward else 1))


def image_flops(backbone: Backbone) -> float:
    """FLOPs of one picture through open_clip's plain vision transformer, of which only the class token is read.

    Raises:
        ValueError: the backbone's image tower is another one.
    """
    tower = backbone._model.visual
    if type(tower).__name__ != "VisionTransformer":
        raise ValueError(f"the image tower of {backbone.name} is no plain vision transformer but {type(tower)}.")
    patches, kernel = tower.grid_size[0] * tower.grid_size[1], tower.conv1.weight
    width, layers, rows = kernel.shape[0], tower.transformer.layers, patches + 1
    products = patches * kernel.numel() + (layers - 1) * rows * 12 * width**2 + rows * 2 * width**2
    products += 10 * width**2 + width * tower.proj.shape[1]
    return 2 * (products + 2 * width * ((layers - 1) * rows**2 + rows))


def matmul_peak(device: torch.device, dtype: torch.dtype = torch.float32, size: int = 2048) -> float:
    """FLOP/s of one large square product, median of ten."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    clock(lambda: a @ b, device)
    return 2 * size**3 / median(clock(lambda: a @ b, device) for _ in range(10))
