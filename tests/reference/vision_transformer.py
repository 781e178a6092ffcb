"""CLIP's vision transformer with prompts from a state dict, one picture, one patch, one row and one head at a time.

Every row looks at every row. Names of tensors are open_clip's, without the leading `visual.`.
"""

from __future__ import annotations

import math

import torch


def image_feature(state, pixels, heads, activation, prompts=()):
    """Normalised pixels [3, side, side] -> [dim], not normalised.

    prompts: [row, width] for blocks 0, 1, …; the first is put behind the patches before the first norm, each later one
    takes the place of the last rows.
    """
    kernel, side = state["conv1.weight"], pixels.shape[1]
    patch = kernel.shape[-1]
    x = [state["class_embedding"]]
    for top in range(0, side, patch):
        for left in range(0, side, patch):
            piece = pixels[:, top : top + patch, left : left + patch]
            x.append(torch.stack([(weights * piece).sum() for weights in kernel]))
    x = [row + state["positional_embedding"][i] for i, row in enumerate(x)]
    count = len(prompts[0]) if len(prompts) else 0
    if count:
        x = [*x, *prompts[0]]
    x = [_norm(row, state, "ln_pre") for row in x]
    depth = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("transformer.resblocks."))
    for number in range(depth):
        if 0 < number < len(prompts):
            x = [*x[:-count], *prompts[number]]
        x = _block(x, state, f"transformer.resblocks.{number}.", heads, activation)
    return _norm(x[0], state, "ln_post") @ state["proj"]


def _norm(row, state, name):
    centred = row - row.sum() / len(row)
    return (
        centred / torch.sqrt((centred * centred).sum() / len(row) + 1e-5) * state[f"{name}.weight"]
        + state[f"{name}.bias"]
    )


def _block(x, state, at, heads, activation):
    def linear(row, weight, bias):
        return state[at + weight] @ row + state[at + bias]

    width = len(x[0])
    triples = [linear(_norm(row, state, at + "ln_1"), "attn.in_proj_weight", "attn.in_proj_bias") for row in x]
    size, after = width // heads, []
    for i, row in enumerate(x):
        mixed = []
        for head in range(heads):
            own = [slice(kind * width + head * size, kind * width + (head + 1) * size) for kind in range(3)]
            scores = torch.stack([(triples[i][own[0]] * other[own[1]]).sum() / math.sqrt(size) for other in triples])
            shares = torch.exp(scores - scores.max())
            shares = shares / shares.sum()
            mixed.append(sum(share * other[own[2]] for share, other in zip(shares, triples, strict=True)))
        row = row + linear(torch.cat(mixed), "attn.out_proj.weight", "attn.out_proj.bias")
        hidden = linear(_norm(row, state, at + "ln_2"), "mlp.c_fc.weight", "mlp.c_fc.bias")
        if activation == "quick_gelu":
            hidden = hidden / (1 + torch.exp(-1.702 * hidden))
        else:
            hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
        after.append(row + linear(hidden, "mlp.c_proj.weight", "mlp.c_proj.bias"))
    return after
