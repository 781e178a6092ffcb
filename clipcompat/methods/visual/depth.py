"""Deep prompts: how many blocks of a backbone get them, their initial values, and why a backbone takes them not.

Papers: VPT (arXiv 2203.12119), MaPLe (arXiv 2210.03117). Depth J means prompts in the input and before blocks
1 … J - 1 of both towers. Here a tower with fewer blocks takes as many as it has, so that one J fits small towers too.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.text.input import Injection
from clipcompat.common.errors import ConfigError, IncompatibleError


def check_depth(depth: int, n_ctx: int) -> None:
    """Refuse numbers below 1.

    Raises:
        ConfigError
    """
    for name, count in (("depth", depth), ("n_ctx", n_ctx)):
        if count < 1:
            raise ConfigError(f"{name} must be at least 1, not {count}.")


def deep_layers(backbone: Backbone | Outline, depth: int, text: bool = True) -> int:
    """Blocks above the input that get prompts of their own: depth - 1, or as many as both towers have.

    text: False counts those of the image tower alone.

    Raises:
        IncompatibleError: the image tower takes no visual prompts, or a tower has no second block for deep ones.
    """
    if backbone.no_visual_prompts:
        raise IncompatibleError(
            f"the image tower of {backbone.name} takes no visual prompts: {backbone.no_visual_prompts}. Use a CLIP ViT "
            "or EVA02-CLIP, or a method whose prompts are in the text only."
        )
    layers = min(depth, backbone.image_layers, backbone.layers if text else depth) - 1
    if depth > 1 and not layers:
        raise IncompatibleError(
            f"a tower of {backbone.name} has a single block, so it takes depth=1 only, not {depth}."
        )
    return layers


def deep_prompts(layers: int, n_ctx: int, width: int, generator: torch.Generator) -> Tensor:
    """Initial values of prompts for some blocks, N(0, 0.02²): [layer, n_ctx, width]."""
    return torch.empty(layers, n_ctx, width).normal_(std=0.02, generator=generator)


def injections(deep: Tensor | None) -> list[Injection]:
    """Deep text prompts [layer, n_ctx, width], which overwrite rows 1 … n_ctx before blocks 1, 2, …; None: none."""
    return [] if deep is None else [Injection(block, vectors) for block, vectors in enumerate(deep, 1)]


def depth_mismatch(
    tensors: Mapping[str, Tensor], name: str, backbone: Backbone | Outline, text: bool = True
) -> str | None:
    """A sentence on why a backbone cannot take the deep prompts of this name, or none in its images; None if it can.

    text: False asks the image tower alone.
    """
    if backbone.no_visual_prompts:
        return f"the image tower takes no visual prompts: {backbone.no_visual_prompts}"
    layers = 1 + (len(tensors[name]) if name in tensors and tensors[name].ndim else 0)
    for tower, blocks in (("text", backbone.layers), ("image", backbone.image_layers)):
        if layers > blocks and (text or tower == "image"):
            return f"its prompts enter {layers} blocks, the {tower} tower of {backbone.name} has {blocks}"
    return None
