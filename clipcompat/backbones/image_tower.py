"""The image tower's last hidden feature, before the projection into the joint space.

The CLIP paper (arXiv 2103.00020) probes this feature; open_clip's `encode_image` only gives the projected one.
"""

from __future__ import annotations

from torch import Tensor, nn


def penultimate_width(visual: nn.Module) -> int | None:
    """Channels of `penultimate_features`; None where the tower is neither a plain ViT nor a trunk with its own head."""
    if _is_plain_vit(visual):
        return visual.proj.shape[0]
    if hasattr(visual, "trunk") and len(visual.head) == 0:  # timm's own classifier is the projection (EVA02-CLIP)
        return visual.trunk.num_features
    return None


def penultimate_features(visual: nn.Module, pixels: Tensor) -> Tensor:
    """Normalised pixels [batch, 3, h, w] -> [batch, width]: pooled and normed as the tower does; not of unit norm."""
    if _is_plain_vit(visual):
        return visual._pool(visual.transformer(visual._embeds(pixels)))[0]
    return visual.trunk.forward_head(visual.trunk.forward_features(pixels), pre_logits=True)


def _is_plain_vit(visual: nn.Module) -> bool:
    return type(visual).__name__ == "VisionTransformer" and getattr(visual, "proj", None) is not None
