"""Two towers as other libraries write them: the names and shapes in their files, and what they compute.

EVA-CLIP: EVAVisionTransformer with `subln`, `naiveswiglu` and `rope` as in EVA02-CLIP, without them (EVA01-CLIP), or
with `postnorm` (EVA02-CLIP-E). transformers: CLIPModel. Written from baaivision/EVA's eva_vit_model.py and rope.py, and
huggingface/transformers' modeling_clip.py, without either library.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def eva_names(kind, width, hidden, layers, grid, patch, dim, heads):
    """name -> shape of EVA-CLIP's image tower. kind: "EVA02", "EVA01" or "postnorm"."""
    names = {
        "visual.cls_token": (1, 1, width),
        "visual.pos_embed": (1, grid * grid + 1, width),
        "visual.patch_embed.proj.weight": (width, 3, patch, patch),
        "visual.patch_embed.proj.bias": (width,),
        "visual.norm.weight": (width,),
        "visual.norm.bias": (width,),
        "visual.head.weight": (dim, width),
        "visual.head.bias": (dim,),
    }
    tables = {f"rope.freqs_{part}": (grid * grid, width // heads) for part in ("cos", "sin")} if kind == "EVA02" else {}
    names |= {f"visual.{name}": shape for name, shape in tables.items()}
    for i in range(layers):
        block = {"attn.q_bias": (width,), "attn.v_bias": (width,)}
        if kind == "EVA02":
            block |= {f"attn.{part}_proj.weight": (width, width) for part in "qkv"}
            block |= {"attn.inner_attn_ln.weight": (width,), "attn.inner_attn_ln.bias": (width,)}
            block |= {f"attn.{name}": shape for name, shape in tables.items()}
            for part, (out, wide) in {"w1": (hidden, width), "w2": (hidden, width), "w3": (width, hidden)}.items():
                block |= {f"mlp.{part}.weight": (out, wide), f"mlp.{part}.bias": (out,)}
            block |= {"mlp.ffn_ln.weight": (hidden,), "mlp.ffn_ln.bias": (hidden,)}
        else:
            block |= {"attn.qkv.weight": (3 * width, width)}
            block |= {"mlp.fc1.weight": (hidden, width), "mlp.fc1.bias": (hidden,)}
            block |= {"mlp.fc2.weight": (width, hidden), "mlp.fc2.bias": (width,)}
        block |= {"attn.proj.weight": (width, width), "attn.proj.bias": (width,)}
        block |= {f"norm{n}.{part}": (width,) for n in (1, 2) for part in ("weight", "bias")}
        names |= {f"visual.blocks.{i}.{name}": shape for name, shape in block.items()}
    return names


def eva_tables(grid, size, trained=16):
    """cos and sin [grid², size] of rotary positions; `trained`: patches a side that the frequencies were made for."""
    half = size // 2
    frequencies = 1.0 / 10000 ** (torch.arange(0, half, 2).float() / half)
    angles = (torch.arange(grid) / grid * trained)[:, None] * frequencies
    angles = angles.repeat_interleave(2, -1)  # [grid, half]
    both = torch.cat([angles[:, None].expand(-1, grid, -1), angles[None].expand(grid, -1, -1)], -1)
    both = both.reshape(grid * grid, size)
    return both.cos(), both.sin()


def eva_image(state, pixels, heads, kind):
    """[n, 3, side, side] -> [n, dim], not normalised."""
    state = {name.removeprefix("visual."): tensor for name, tensor in state.items() if name.startswith("visual.")}
    x = F.conv2d(pixels, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=_patch(state))
    x = (
        torch.cat([state["cls_token"].expand(len(pixels), -1, -1), x.flatten(2).transpose(1, 2)], 1)
        + state["pos_embed"]
    )
    for i in range(_depth(state, "blocks.")):
        block = _under(state, f"blocks.{i}.")
        if kind == "postnorm":
            x = x + _norm(_eva_attention(x, block, heads), block, "norm1", 1e-6)
            x = x + _norm(_eva_mlp(x, block), block, "norm2", 1e-6)
        else:
            x = x + _eva_attention(_norm(x, block, "norm1", 1e-6), block, heads)
            x = x + _eva_mlp(_norm(x, block, "norm2", 1e-6), block)
    return F.linear(_norm(x, state, "norm", 1e-6)[:, 0], state["head.weight"], state["head.bias"])


def _eva_attention(x, block, heads):
    if "attn.qkv.weight" in block:
        q, k, v = F.linear(x, block["attn.qkv.weight"]).chunk(3, -1)
    else:
        q, k, v = (F.linear(x, block[f"attn.{part}_proj.weight"]) for part in "qkv")
    q, v = q + block["attn.q_bias"], v + block["attn.v_bias"]
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    if "attn.rope.freqs_cos" in block:
        q, k = (_turn(t, block["attn.rope.freqs_cos"], block["attn.rope.freqs_sin"]) for t in (q, k))
    x = _mix(q, k, v)
    if "attn.inner_attn_ln.weight" in block:
        x = _norm(x, block, "attn.inner_attn_ln", 1e-6)
    return F.linear(x, block["attn.proj.weight"], block["attn.proj.bias"])


def _turn(x, cos, sin):
    """Neighbours (a, b) become (a cos - b sin, b cos + a sin), in every row but the class token's."""
    patches = x[:, :, 1:]
    turned = torch.stack([-patches[..., 1::2], patches[..., ::2]], -1).flatten(-2)
    return torch.cat([x[:, :, :1], patches * cos + turned * sin], 2)


def _eva_mlp(x, block):
    if "mlp.w1.weight" not in block:
        return _linear(F.gelu(_linear(x, block, "mlp.fc1")), block, "mlp.fc2")
    x = F.silu(_linear(x, block, "mlp.w1")) * _linear(x, block, "mlp.w2")
    return _linear(_norm(x, block, "mlp.ffn_ln", 1e-6), block, "mlp.w3")


def transformers_names(width, text_width, layers, positions, patch, context, vocabulary, dim):
    """name -> shape of transformers' CLIPModel, without the whole-number buffers."""
    names = {
        "logit_scale": (),
        "text_projection.weight": (dim, text_width),
        "visual_projection.weight": (dim, width),
        "text_model.embeddings.token_embedding.weight": (vocabulary, text_width),
        "text_model.embeddings.position_embedding.weight": (context, text_width),
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": (positions, width),
    }
    norms = {"text_model.final_layer_norm": text_width}
    norms |= {"vision_model.pre_layrnorm": width, "vision_model.post_layernorm": width}
    for tower, wide in (("text", text_width), ("vision", width)):
        for i in range(layers):
            layer = f"{tower}_model.encoder.layers.{i}"
            norms |= {f"{layer}.layer_norm1": wide, f"{layer}.layer_norm2": wide}
            sizes = {f"self_attn.{part}_proj": (wide, wide) for part in ("k", "v", "q", "out")}
            sizes |= {"mlp.fc1": (4 * wide, wide), "mlp.fc2": (wide, 4 * wide)}
            for part, shape in sizes.items():
                names |= {f"{layer}.{part}.weight": shape, f"{layer}.{part}.bias": shape[:1]}
    return names | {f"{name}.{part}": (wide,) for name, wide in norms.items() for part in ("weight", "bias")}


def transformers_image(state, pixels, heads, activation):
    """[n, 3, side, side] -> [n, dim], not normalised."""
    tower = _under(state, "vision_model.")
    kernel = tower["embeddings.patch_embedding.weight"]
    x = F.conv2d(pixels, kernel, stride=kernel.shape[-1]).flatten(2).transpose(1, 2)
    x = torch.cat([tower["embeddings.class_embedding"].expand(len(pixels), 1, -1), x], 1)
    x = _norm(x + tower["embeddings.position_embedding.weight"], tower, "pre_layrnorm")
    x = _norm(_encoder(x, tower, heads, activation)[:, 0], tower, "post_layernorm")
    return F.linear(x, state["visual_projection.weight"])


def transformers_text(state, tokens, heads, activation):
    """[n, context] token numbers -> [n, dim], not normalised; the end of text is the largest number."""
    tower = _under(state, "text_model.")
    x = tower["embeddings.token_embedding.weight"][tokens] + tower["embeddings.position_embedding.weight"]
    x = _norm(_encoder(x, tower, heads, activation, causal=True), tower, "final_layer_norm")
    return F.linear(x[torch.arange(len(x)), tokens.argmax(-1)], state["text_projection.weight"])


def _encoder(x, tower, heads, activation, causal=False):
    for i in range(_depth(tower, "encoder.layers.")):
        layer = _under(tower, f"encoder.layers.{i}.")
        normed = _norm(x, layer, "layer_norm1")
        parts = [_linear(normed, layer, f"self_attn.{part}_proj") for part in "qkv"]
        mixed = _mix(*(t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in parts), causal=causal)
        x = x + _linear(mixed, layer, "self_attn.out_proj")
        hidden = _linear(_norm(x, layer, "layer_norm2"), layer, "mlp.fc1")
        hidden = hidden * torch.sigmoid(1.702 * hidden) if activation == "quick_gelu" else F.gelu(hidden)
        x = x + _linear(hidden, layer, "mlp.fc2")
    return x


def _mix(q, k, v, causal=False):
    """softmax(q kᵀ / √size) v of [n, heads, rows, size] -> [n, rows, width]."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def _norm(x, state, name, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def _linear(x, state, name):
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def _under(state, prefix):
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _depth(state, prefix):
    return 1 + max(int(name.removeprefix(prefix).split(".")[0]) for name in state if name.startswith(prefix))


def _patch(state):
    return state["patch_embed.proj.weight"].shape[-1]
