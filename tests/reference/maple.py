"""MaPLe's visual prompts: a linear image of the text prompt of every block, written out."""

from __future__ import annotations

import torch


def visual_prompts(tensors):
    """[row, image width] for blocks 0, 1, …; tensors: as a plug-in has them."""
    prompts = [_mapped(tensors["ctx"], tensors["proj.weight"], tensors["proj.bias"])]
    for block in range(len(tensors.get("deep", ()))):
        maps = tensors["deep_proj.weight"][block], tensors["deep_proj.bias"][block]
        prompts.append(_mapped(tensors["deep"][block], *maps))
    return prompts


def _mapped(rows, weight, bias):
    return torch.stack([torch.stack([(w * row).sum() + b for w, b in zip(weight, bias, strict=True)]) for row in rows])
