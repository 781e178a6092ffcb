"""CLIP's text transformer from a state dict, one prompt, one head and one row at a time.

A row looks at itself and at the rows before it, so nothing is masked and nothing is padded: a prompt simply ends with
its end-of-text row. Names of tensors are open_clip's, without the `text.` of CustomTextCLIP.
"""

from __future__ import annotations

import math

import torch


def text_feature(state, rows, heads, activation, layer=None, vectors=None, insert=False, deep=()):
    """[token, width] rows of one prompt (no positions added, the last row is EOT) -> [dim], not normalised.

    layer, vectors: learned rows that come in right before that block, over rows 1, 2, … or, with insert, between SOS
    and the rest. deep: block -> rows that come in right before it, over rows 1, 2, …
    """
    *_, x = residual_stream(state, rows, heads, activation, layer, vectors, insert, deep)
    last = layer_norm(x[-1], state["ln_final.weight"], state["ln_final.bias"])
    return last @ state["text_projection"]


def residual_stream(state, rows, heads, activation, layer=None, vectors=None, insert=False, deep=()):
    """As above -> the rows before block 0 and after each block: a list of lists of [width]."""
    x = [row for row in rows]
    if layer == 0:
        x = _inject(x, vectors, insert)
    x = [row + state["positional_embedding"][i] for i, row in enumerate(x)]
    depth = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("transformer.resblocks."))
    states = [x]
    for number in range(depth):
        if layer == number and layer > 0:
            x = _inject(x, vectors, insert)
        if number in deep:
            x = _inject(x, deep[number], False)
        block = {
            name.split(".", 3)[3]: tensor
            for name, tensor in state.items()
            if name.startswith(f"transformer.resblocks.{number}.")
        }
        x = _block(x, block, heads, activation)
        states.append(x)
    return states


def layer_norm(row, weight, bias, eps=1e-5):
    mean = row.sum() / len(row)
    variance = ((row - mean) ** 2).sum() / len(row)
    return (row - mean) / torch.sqrt(variance + eps) * weight + bias


def activate(x, kind):
    if kind == "quick_gelu":
        return x / (1 + torch.exp(-1.702 * x))
    if kind == "gelu":
        return x * (1 + torch.erf(x / math.sqrt(2))) / 2
    raise ValueError(kind)


def _inject(x, vectors, insert):
    vectors = [row for row in vectors]
    return [x[0], *vectors, *(x[1:] if insert else x[1 + len(vectors) :])]


def _block(x, block, heads, activation):
    width = len(x[0])
    normed = [layer_norm(row, block["ln_1.weight"], block["ln_1.bias"]) for row in x]
    weights = block["attn.in_proj_weight"].split(width)  # rows of q, then k, then v
    biases = block["attn.in_proj_bias"].split(width)
    q, k, v = ([w @ row + b for row in normed] for w, b in zip(weights, biases, strict=True))
    per_head = width // heads
    after = []
    for i in range(len(x)):
        mixed = []
        for head in range(heads):
            own = slice(head * per_head, (head + 1) * per_head)
            scores = torch.stack([(q[i][own] * k[j][own]).sum() / math.sqrt(per_head) for j in range(i + 1)])
            shares = torch.exp(scores - scores.max()) / torch.exp(scores - scores.max()).sum()
            mixed.append(sum(shares[j] * v[j][own] for j in range(i + 1)))
        out = block["attn.out_proj.weight"] @ torch.cat(mixed) + block["attn.out_proj.bias"]
        row = x[i] + out
        hidden = block["mlp.c_fc.weight"] @ layer_norm(row, block["ln_2.weight"], block["ln_2.bias"])
        hidden = activate(hidden + block["mlp.c_fc.bias"], activation)
        after.append(row + block["mlp.c_proj.weight"] @ hidden + block["mlp.c_proj.bias"])
    return after
