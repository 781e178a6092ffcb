"""The image tower whose queries, keys and values get additions in training, with gradients to these.

A plain CLIP ViT runs through blocks of our own. EVA's trunk runs as timm builds it, but its attention projects queries,
keys and values one by one: with timm's own linear layers, or with the three parts of its fused one.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcompat.backbones.device import NARROW
from clipcompat.backbones.image.block import VisionBlock
from clipcompat.backbones.image.tower import ImageTower, is_plain_vit

Change = Callable[[int, slice, Tensor], Tensor]
"""(block; which of queries, keys and values; input of the attention [..., width]) -> what is added, side by side."""

_SEPARATE = ("q_proj", "k_proj", "v_proj")


class ChangedTower(ImageTower):
    """A frozen image tower that is fed normalised pixels; gradients flow to what `change` adds.

    model: of a backbone whose image tower takes visual prompts, that is, a ViT with a class token.
    """

    def __init__(self, model: nn.Module, change: Change, dtype: torch.dtype = torch.float32):
        self._visual, self._dtype, self._change = model.visual, dtype, change
        self._blocks = []
        if is_plain_vit(model.visual):
            self._blocks = [VisionBlock(block, dtype) for block in model.visual.transformer.resblocks]
        else:
            self._visual = _with_change(model.visual, change)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [picture, 3, h, w] -> [picture, dim], float32, not unit norm."""
        if not self._blocks:
            with self._autocast():
                return self._visual(pixels).float()
        with torch.no_grad(), self._autocast(self._device.type != "cpu"):
            x = self._visual._embeds(pixels).float()  # [picture, row, width]
        *blocks, last = self._blocks
        for number, block in enumerate(blocks):
            x = block(x, partial(self._change, number))
        change = partial(self._change, len(blocks))
        # in a narrow tower, products of single rows would make a feature depend on the batch size
        first = last.first_row(x, change) if x.shape[-1] > NARROW else last(x, change)
        return self._visual.ln_post(first[:, 0]) @ self._visual.proj


def attentions(tower: nn.Module) -> list[nn.Module]:
    """The attention of every block. tower: an image tower, or a model, whose text tower is meant."""
    if hasattr(tower, "trunk"):
        return [block.attn for block in tower.trunk.blocks]
    return [block.attn for block in getattr(tower, "text", tower).transformer.resblocks]


def projection_weights(attn: nn.Module) -> list[nn.Parameter]:
    """Its weights of queries, keys and values: three, or one that holds one after the other, [3 · width, width]."""
    if isinstance(attn, nn.MultiheadAttention):
        return [attn.in_proj_weight]
    return [attn.qkv.weight] if attn.qkv is not None else [getattr(attn, name).weight for name in _SEPARATE]


def _with_change(visual: nn.Module, change: Change) -> nn.Module:
    """A tower of timm that shares all tensors, and whose attentions add to queries, keys and values."""
    visual = copy.deepcopy(visual, {id(t): t for t in chain(visual.parameters(), visual.buffers())})
    for number, attn in enumerate(attentions(visual)):
        for part, (weight, bias) in enumerate(_projections(attn)):
            setattr(attn, _SEPARATE[part], _Branched(weight, bias, partial(change, number, slice(part, part + 1))))
        attn.qkv = None  # timm then projects them one by one
    return visual


def _projections(attn: nn.Module) -> Sequence[tuple[Tensor, Tensor | None]]:
    """Weight and bias of queries, keys and values of timm's EvaAttention."""
    if attn.qkv is None:
        return [(getattr(attn, name).weight, getattr(attn, name).bias) for name in _SEPARATE]
    return list(zip(attn.qkv.weight.chunk(3), (attn.q_bias, attn.k_bias, attn.v_bias), strict=True))


class _Branched(nn.Module):
    """x -> x · weightᵀ + bias + change(x)"""

    def __init__(self, weight: Tensor, bias: Tensor | None, change: Callable[[Tensor], Tensor]):
        super().__init__()
        self._fixed, self._change = (weight, bias), change

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, *self._fixed) + self._change(x)
