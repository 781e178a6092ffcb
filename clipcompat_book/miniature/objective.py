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

from clipcompat.backbones.mini.models import MINI_PREPROCESS
from clipcompat.data.mini.captions import captions
from clipcompat.data.mini.world import (
    ABSENT,
    COLOURS,
    DOMAINS,
    FIELDS,
    PLACES,
    SHAPES,
    SIZES,
    TEXTURES,
    draw_many,
    sample_scenes,
)

ATTRIBUTES = {
    "shape": len(SHAPES),
    "colour": len(COLOURS),
    "texture": len(TEXTURES),
    "backdrop": len(COLOURS),
    "domain": len(DOMAINS),
    "size": len(SIZES),
    "place": len(PLACES),
    "border": len(COLOURS) + 1,
    "second_shape": len(SHAPES) + 1,
    "second_colour": len(COLOURS) + 1,
}
"""The fields of a scene that the probe tells, and how many values each has; the last three may be absent."""

_WEIGHTS = {"texture": 3.0, "place": 0.5, "second_shape": 0.5, "second_colour": 0.5}
"""Attributes that do not count once: textures are learnt last, and what captions seldom name matters less."""

_LAST = np.array([ATTRIBUTES[name] - 1 for name in FIELDS])
"""What an absent second object or border is called, in the order of a scene's fields."""

_EVAL_FROM = 1 << 40
"""Index of the first picture of the curves; training never gets there."""


def pretraining_loss(
    parts: nn.ModuleDict, seed: int, index: np.ndarray, tokenizer: Any | None, attribute_weight: float
) -> Tensor:
    """The loss of one batch, a scalar.

    Args:
        parts: "model" (an open_clip model) and "probe" (linear, joint features -> all attributes' logits). Frozen
            towers run without gradients; attributes do not count where the image tower is frozen.
        seed, index: name the scenes, pictures and captions of the batch; index is [batch].
        tokenizer: None leaves the captions out, and attributes count in full;
            otherwise they count `attribute_weight` beside the contrastive loss.
    """
    model = parts["model"]
    device = model.logit_scale.device
    learns = {side: any(p.requires_grad for p in tower) for side, tower in towers(model).items()}
    scenes = sample_scenes(seed, index)
    with torch.set_grad_enabled(learns["image"]):
        image = model.encode_image(_pixels(scenes, seed, index, device))
    loss = image.new_zeros(())
    if learns["image"]:
        guesses = parts["probe"](image).split(list(ATTRIBUTES.values()), dim=1)
        target = torch.from_numpy(np.where(scenes == ABSENT, _LAST, scenes)).to(device)
        for name, guess in zip(ATTRIBUTES, guesses, strict=True):
            loss = loss + _WEIGHTS.get(name, 1.0) * F.cross_entropy(guess, target[:, FIELDS.index(name)])
    if tokenizer is None:
        return loss
    with torch.set_grad_enabled(learns["text"]):
        text = _text_features(model, tokenizer(captions(scenes, seed, index)).to(device))
    logits = model.logit_scale.exp() * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    own = torch.arange(len(logits), device=device)
    infonce = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
    return infonce + attribute_weight * loss


def towers(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Parameters of the "image" and the "text" tower of either open_clip class; the temperature is in neither."""
    split: dict[str, list[nn.Parameter]] = {"image": [], "text": []}
    for name, parameter in model.named_parameters():
        if not name.startswith("logit_"):
            split["image" if name.startswith("visual.") else "text"].append(parameter)
    return split


def _pixels(scenes: np.ndarray, seed: int, index: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    pictures = torch.from_numpy(draw_many(scenes, seed, index)).to(device)
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
        x = parts.ln_final(x[torch.arange(len(rows), device=x.device), eot[rows]])
        features.append(x @ parts.text_projection)
    return torch.cat(features)[order.argsort()]


@torch.no_grad()
def zero_shot_curve(model: nn.Module, tokenizer: Any, n: int = 512) -> dict[str, float]:
    """Percent of fresh day-time pictures whose attribute is found by name among all names of its kind."""
    index = np.arange(_EVAL_FROM, _EVAL_FROM + n)
    scenes = sample_scenes(0, index)
    scenes[:, FIELDS.index("domain")] = 0
    device = model.logit_scale.device
    model.eval()
    image = model.encode_image(_pixels(scenes, 0, index, device))
    kinds = {
        "shape": (SHAPES, "a {}."),
        "colour": (COLOURS, "a {} thing."),
        "texture": (TEXTURES, "a {} thing."),
        "backdrop": (COLOURS, "a thing on a {} background."),
    }
    percent = {}
    for kind, (names, template) in kinds.items():
        ids = tokenizer([template.format(name) for name in names]).to(device)
        text = F.normalize(_text_features(model, ids), dim=-1)
        guess = (image @ text.T).argmax(1).cpu().numpy()
        percent[kind] = round(100 * float((guess == scenes[:, FIELDS.index(kind)]).mean()), 1)
    model.train()
    return percent
