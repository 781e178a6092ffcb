"""A backbone so small that its golden numbers can be written down: no random draw, no vocabulary file."""

from __future__ import annotations

import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.preprocess import Preprocess

WORDS = ("x", ".", "a", "photo", "of", "red", "fox", "owl", "snow", "leopard", "cub", "grey", "wolf")
WIDTH, DIM, CONTEXT = 16, 16, 24


class WordTokenizer:
    """One token a word; "." is a word."""

    sot_token_id = len(WORDS) + 1
    eot_token_id = len(WORDS) + 2

    def encode(self, text: str) -> list[int]:
        return [1 + WORDS.index(word) for word in text.lower().replace(".", " . ").split()]


def numbers(shape, seed: int, size: float = 1.0) -> torch.Tensor:
    """Numbers in -size … size that look random and are the same everywhere, by whole-number arithmetic."""
    i = torch.arange(int(torch.tensor(shape).prod()))
    return (((i * i * 37 + i * 101 + seed * 211) % 1009) / 504.0 - 1).view(shape) * size


def tiny_backbone(quick_gelu: bool = True, width: int = WIDTH, layers: int = 3, image_layers: int = 1) -> Backbone:
    """open_clip's CLIP, 16 wide (images: 8), two heads, every weight from `numbers`; logit scale e³."""
    from open_clip.model import CLIP

    text = {"context_length": CONTEXT, "vocab_size": len(WORDS) + 3, "width": width, "heads": 2, "layers": layers}
    vision = {"image_size": 8, "patch_size": 4, "width": 8, "head_width": 4, "layers": image_layers}
    with torch.random.fork_rng(devices=[]):
        model = CLIP(DIM, vision, text, quick_gelu=quick_gelu)
    with torch.no_grad():
        for number, (name, tensor) in enumerate(sorted(model.state_dict().items())):
            if tensor.ndim == 0:
                tensor.fill_(3.0 if name == "logit_scale" else 0.0)
            elif name.endswith("ln_1.weight") or name.endswith("ln_2.weight") or name == "ln_final.weight":
                tensor.copy_(1 + numbers(tensor.shape, number, 0.2))
            else:
                # embeddings of CLIP's size, so small that the eps of the first norm shows
                size = 0.03 if "embedding" in name else 0.5
                tensor.copy_(numbers(tensor.shape, number, size))
    return Backbone(model, WordTokenizer(), Preprocess(8), name="tiny", stamp="tiny", source="numbers")
