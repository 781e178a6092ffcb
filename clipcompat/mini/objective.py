"""What a mini backbone is pretrained for: telling a scene's attributes, and matching pictures with captions.

Contrastive pretraining alone does not learn shapes and textures in the minutes a CPU gives it. So the image tower first
learns to tell attributes (as EVA-02's trunk was trained before it met captions), then captions are matched too. The
image tower thereby sees more than captions name, which is the headroom that few-shot learning lives on.

Sources: CLIP (arXiv 2103.00020) for the symmetric InfoNCE; EVA-02 (arXiv 2303.11331) for the trunk trained first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcompat.backbones.mini import MINI_PREPROCESS
from clipcompat.mini.captions import captions
from clipcompat.mini.world import COLOURS, DOMAINS, FIELDS, SHAPES, SIZES, TEXTURES, draw_many, sample_scenes

ATTRIBUTES = {
    "shape": len(SHAPES), "colour": len(COLOURS), "texture": len(TEXTURES), "backdrop": len(COLOURS),
    "domain": len(DOMAINS), "size": len(SIZES),
}  # fmt: skip
"""The fields of a scene that the probe tells, and how many values each has."""

_WEIGHTS = {"texture": 3.0}
"""Attributes that count more than once: textures are learnt last."""

_EVAL_FROM = 1 << 40
"""Index of the first picture of the curves; training never gets there."""


def pretraining_loss(
    parts: nn.ModuleDict, seed: int, index: np.ndarray, tokenizer: Any | None, attribute_weight: float
) -> Tensor:
    """The loss of one batch, a scalar.

    Args:
        parts: "model" (an open_clip model) and "probe" (linear, joint features -> all attributes' logits).
        seed, index: name the scenes, pictures and captions of the batch; index is [batch].
        tokenizer: None leaves the captions out, and attributes count in full;
            otherwise they count `attribute_weight` beside the contrastive loss.
    """
    model = parts["model"]
    scenes = sample_scenes(seed, index)
    image = model.encode_image(_pixels(scenes, seed, index))
    told = parts["probe"](image).split(list(ATTRIBUTES.values()), dim=1)
    target = torch.from_numpy(scenes)
    pairs = zip(ATTRIBUTES, told, strict=True)
    losses = {name: F.cross_entropy(guess, target[:, FIELDS.index(name)]) for name, guess in pairs}
    attributes = sum(_WEIGHTS.get(name, 1.0) * loss for name, loss in losses.items())
    if tokenizer is None:
        return attributes
    text = _text_features(model, tokenizer(captions(scenes, seed, index)))
    logits = model.logit_scale.exp() * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    own = torch.arange(len(logits))
    infonce = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
    return infonce + attribute_weight * attributes


def _pixels(scenes: np.ndarray, seed: int, index: np.ndarray) -> Tensor:
    pictures = torch.from_numpy(draw_many(scenes, seed, index))
    return MINI_PREPROCESS.normalise(pictures.permute(0, 3, 1, 2))


def _text_features(model: nn.Module, ids: Tensor) -> Tensor:
    """Like encode_text, but runs the shorter and the longer half of the captions trimmed to their own length."""
    parts, eot = getattr(model, "text", model), ids.argmax(-1)
    order = eot.argsort()
    features = []
    for rows in order.tensor_split(2) if len(ids) > 1 else [order]:
        length = int(eot[rows].max()) + 1
        x = parts.token_embedding(ids[rows, :length]) + parts.positional_embedding[:length]
        x = parts.transformer(x, attn_mask=parts.attn_mask[:length, :length])
        x = parts.ln_final(x[torch.arange(len(rows)), eot[rows]])
        features.append(x @ parts.text_projection)
    return torch.cat(features)[order.argsort()]


@torch.no_grad()
def zero_shot_curve(model: nn.Module, tokenizer: Any, n: int = 512) -> dict[str, float]:
    """Percent of fresh day-time pictures whose attribute is found by name among all names of its kind."""
    index = np.arange(_EVAL_FROM, _EVAL_FROM + n)
    scenes = sample_scenes(0, index)
    scenes[:, FIELDS.index("domain")] = 0
    model.eval()
    image = model.encode_image(_pixels(scenes, 0, index))
    kinds = {"shape": (SHAPES, "a {}."), "colour": (COLOURS, "a {} thing."), "texture": (TEXTURES, "a {} thing."),
             "backdrop": (COLOURS, "a thing on a {} background.")}  # fmt: skip
    found = {}
    for kind, (names, template) in kinds.items():
        text = F.normalize(_text_features(model, tokenizer([template.format(name) for name in names])), dim=-1)
        guess = (image @ text.T).argmax(1).numpy()
        found[kind] = round(100 * float((guess == scenes[:, FIELDS.index(kind)]).mean()), 1)
    model.train()
    return found
