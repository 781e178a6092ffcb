"""The text tower, from embeddings to features: one code path for every open_clip text transformer.

Papers: CLIP (arXiv 2103.00020), EVA-CLIP (arXiv 2303.15389). open_clip keeps the tower in two shapes, spread over the
model itself (class `CLIP`) or as a submodule `.text` (class `CustomTextCLIP`); the blocks are the same, with QuickGELU
in OpenAI's towers and GELU in EVA's. open_clip starts from token ids and always runs the full context; prompt learners
start from embeddings and need neither the padding (the causal mask hides it from every earlier row) nor the ids.

    x = Z + pos;   x += attention(ln_1 x);   x += mlp(ln_2 x);   feature = ln_final(x)[eot] · projection
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clipcompat.causal_block import advance, finish
from clipcompat.errors import CheckpointError, ConfigError

_WORTH_SHARING = 4


@dataclass(frozen=True)
class Injection:
    """Learned vectors that enter the residual stream right before one block.

    vectors: [row, width], the same for every class, or [class, row, width].
    layer: 0 … layers - 1; layer 0 is the tower's input, before positions are added.
    insert: False overwrites rows 1 … row (after SOS); True puts extra rows there, which above layer 0 have no position
        of their own.
    """

    layer: int
    vectors: Tensor
    insert: bool = False


class TextTower:
    """A frozen causal text transformer that is fed embeddings.

    Attributes: width, layers, heads, context_length, dim (of the output), activation ("quick_gelu" or "gelu").
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype = torch.float32):
        parts = getattr(model, "text", model)
        self._parts, self._dtype = parts, dtype
        _refuse_unsupported(parts)
        blocks = parts.transformer.resblocks
        self.width = parts.token_embedding.embedding_dim
        self.layers = len(blocks)
        self.heads = blocks[0].attn.num_heads
        self.context_length = parts.positional_embedding.shape[0]
        self.dim = parts.text_projection.shape[1]
        self.activation = "quick_gelu" if type(blocks[0].mlp.gelu).__name__ == "QuickGELU" else "gelu"

    @property
    def device(self) -> torch.device:
        return self._parts.positional_embedding.device

    @property
    def positions(self) -> Tensor:
        """Positional embeddings, [context_length, width]; constants."""
        return self._parts.positional_embedding.detach()

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids [..., token] -> embeddings [..., token, width], without positions; constants, no gradient."""
        return self._parts.token_embedding.weight.detach()[ids.to(self.device)]

    def __call__(
        self, embeddings: Tensor, eot: Tensor, inject: Sequence[Injection] = (), shared: int = 0, groups: int = 1
    ) -> Tensor:
        """Run the tower.

        Args:
            embeddings: [prompt, token, width], without positions; rows after each prompt's EOT are never looked at.
            eot: [prompt], the row of each prompt's end-of-text token.
            inject: learned vectors for single layers; at most one per layer.
            shared: how many leading rows are the same in all prompts, as the caller promises: they are taken from the
                first prompt and computed once. The result and the gradients are those of shared=0.
            groups: prompts come in so many groups of equal size, one after the other, and share their leading rows only
                within a group (one group an image, for methods whose prompts depend on it).

        Returns:
            [prompt, dim], float32, not normalised.
        """
        inserts = {i.layer: i for i in inject}
        if len(inserts) != len(inject) or any(not 0 <= layer < self.layers for layer in inserts):
            raise ConfigError(
                f"this text tower has layers 0 … {self.layers - 1} and takes one injection a layer; "
                f"it was given layers {[i.layer for i in inject]}."
            )
        parts, x = self._parts, embeddings
        with torch.autocast(x.device.type, self._dtype, enabled=self._dtype != torch.float32):
            if 0 in inserts:
                x, eot = _apply(inserts[0], x, eot)
            if x.shape[1] > self.context_length:
                raise ConfigError(
                    f"a prompt of {x.shape[1]} tokens does not fit a context of {self.context_length}; "
                    "use fewer context tokens or shorter class names."
                )
            x = x + parts.positional_embedding[: x.shape[1]]
            # few shared rows save less than it costs to join their keys to everyone's; injected ones end the sharing
            shared = 0 if inject or shared < _WORTH_SHARING or len(x) == groups else shared
            n, eot = len(x), eot.to(x.device) - shared
            x = torch.cat([x[:: n // groups, :shared].flatten(0, 1), x[:, shared:].flatten(0, 1)])
            *blocks, last = parts.transformer.resblocks
            for layer, block in enumerate([*blocks, last]):
                if layer and layer in inserts:
                    x, eot = _apply(inserts[layer], x.unflatten(0, (n, -1)), eot)
                    x = x.flatten(0, 1)
                if block is not last:
                    x = advance(block, x, shared, n, groups)
            x = finish(last, x, shared, n, eot, groups)
            return (parts.ln_final(x) @ parts.text_projection).float()


def _apply(injection: Injection, x: Tensor, eot: Tensor) -> tuple[Tensor, Tensor]:
    vectors = injection.vectors.to(x.dtype)
    if vectors.ndim == 2:
        vectors = vectors.expand(len(x), -1, -1)
    rows = vectors.shape[1]
    if injection.insert:
        return torch.cat([x[:, :1], vectors, x[:, 1:]], dim=1), eot + rows
    room = int(eot.min()) - 1 if len(eot) else rows
    if rows > room:
        raise ConfigError(
            f"{rows} vectors cannot overwrite the rows between SOS and EOT of a prompt that has {room}; "
            "use fewer vectors, or insert=True."
        )
    return torch.cat([x[:, :1], vectors, x[:, 1 + rows :]], dim=1), eot


def _refuse_unsupported(parts: nn.Module) -> None:
    """Only CLIP's own kind of text transformer can be entered through its embeddings."""
    block = parts.transformer.resblocks[0] if hasattr(getattr(parts, "transformer", None), "resblocks") else None
    pool = getattr(parts, "text_pool_type", getattr(parts, "pool_type", None))
    missing = [
        what
        for what, absent in {
            "residual blocks of open_clip's default kind": type(block).__name__ != "ResidualAttentionBlock",
            "a causal mask": getattr(parts, "attn_mask", None) is None,
            "pooling at the end-of-text token": pool != "argmax",
            "a projection matrix": not isinstance(getattr(parts, "text_projection", None), Tensor),
            "no class token of its own": getattr(parts, "cls_emb", None) is not None,
        }.items()
        if absent
    ]
    if missing:
        raise CheckpointError(
            f"this text tower ({type(parts).__name__}) cannot take learned prompts: it lacks {', '.join(missing)}. "
            "Use a CLIP or EVA02-CLIP model, such as ViT-B-16-quickgelu or EVA02-B-16."
        )
