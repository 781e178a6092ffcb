"""The reference for speed and values: every prompt padded to the full context, as the official training loops do.

It has three attention kernels. "open_clip" is open_clip's own transformer; "plain" is matmul, softmax, matmul; "fused"
is torch's fused kernel. The last two run open_clip's modules for everything else.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone

KERNELS = ("open_clip", "plain", "fused")


class PaddedTower:
    """An open_clip text transformer fed with embeddings [prompt, context_length, width]."""

    def __init__(self, backbone: Backbone):
        self._parts = getattr(backbone._model, "text", backbone._model)
        self._device, self._dtype = backbone.device, backbone.dtype
        self.context = backbone.context_length

    def pad(self, embeddings: Tensor, padding: Tensor) -> Tensor:
        """[prompt, token, width] -> [prompt, context_length, width]; padding: the padding token's, [1, 1, width]."""
        missing = self.context - embeddings.shape[1]
        return torch.cat([embeddings, padding.expand(len(embeddings), missing, -1)], dim=1)

    def __call__(self, embeddings: Tensor, eot: Tensor, kernel: str) -> Tensor:
        """[prompt, context_length, width] -> [prompt, dim], float32, not normalised."""
        parts = self._parts
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            x = embeddings + parts.positional_embedding
            if kernel == "open_clip":
                x = parts.transformer(x, attn_mask=parts.attn_mask)
            else:
                for block in parts.transformer.resblocks:
                    x = x + _attention(block.attn, block.ln_1(x), kernel)
                    x = x + block.mlp(block.ln_2(x))
            x = parts.ln_final(x)[torch.arange(len(x), device=x.device), eot]  # [prompt, width]
            return (x @ parts.text_projection).float()


def _attention(attn: torch.nn.MultiheadAttention, x: Tensor, kernel: str) -> Tensor:
    """[prompt, token, width] -> the same."""
    q, k, v = F.linear(x, attn.in_proj_weight, attn.in_proj_bias).chunk(3, -1)
    # [prompt, token, width] -> [prompt, head, token, channel]
    q, k, v = (part.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2) for part in (q, k, v))
    if kernel == "fused":
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    else:
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)  # [query, key]
        scores = q @ k.mT / q.shape[-1] ** 0.5  # [prompt, head, query, key]
        attended = scores.masked_fill(later, float("-inf")).softmax(-1) @ v
    return attn.out_proj(attended.transpose(1, 2).flatten(-2))  # [prompt, token, width]


def backward_in_chunks(
    tower: PaddedTower, embeddings: Tensor, eot: Tensor, probe: Tensor, kernel: str, most: int = 100
) -> Tensor:
    """The text side of one step: features [prompt, dim]; adds the gradients of sum(features · probe) to the leaves.

    most: prompts per chunk; each needs 37 MB at 77 tokens. The chunks' gradients are collected at the embeddings; one
    backward pass takes them on to the leaves.
    """
    leaf = embeddings.detach().requires_grad_()
    features = []
    for chunk, eot_rows, weight in zip(leaf.split(most), eot.split(most), probe.split(most), strict=True):
        feature = tower(chunk, eot_rows, kernel)
        (feature * weight).sum().backward()
        features.append(feature.detach())
    embeddings.backward(leaf.grad)
    return torch.cat(features)


def fastest(times: dict[str, Sequence[float]]) -> str:
    """The kernel with the smallest median."""
    return min(times, key=lambda kernel: sorted(times[kernel])[len(times[kernel]) // 2])
