"""The image tower, from pixels to features: projected into the joint space, or hidden ones before that projection.

Papers: CLIP (arXiv 2103.00020), which also probes the hidden feature; EVA-CLIP (arXiv 2303.15389). CLIP's plain vision
transformer runs through blocks of our own. Towers of timm (EVA's), ResNets and narrow towers run as open_clip builds
them, under autocast. (In a narrow tower our blocks would save only 0.1 ms per picture. Their last block multiplies
single rows there, which would make the last digit of a feature depend on the batch size.)
"""

import torch
from torch import Tensor, nn

from clipcompat.backbones.device import NARROW
from clipcompat.backbones.image.block import VisionBlock

_ROWS = 1600  # per batch on a CPU: activations of more rows do not fit its cache
_PICTURES = {"cpu": 8, "other": 64}  # per batch, on a CPU if the rows per picture are unknown


class ImageTower:
    """A frozen image tower that is fed normalised pixels.

    at_once: the fastest batch size on its device.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype = torch.float32):
        self._visual, self._dtype = model.visual, dtype
        blocks = model.visual.transformer.resblocks if is_plain_vit(model.visual) else []
        own = len(blocks) > 0 and _fits_our_blocks(model.visual) and all(map(VisionBlock.can_read, blocks))
        self._blocks = [VisionBlock(block, dtype) for block in blocks] if own else []

    @property
    def at_once(self) -> int:
        if self._device.type != "cpu":
            return _PICTURES["other"]
        rows = _rows(self._visual)
        return max(1, _ROWS // rows) if rows else _PICTURES["cpu"]

    @torch.no_grad()
    def __call__(self, pixels: Tensor, kind: str = "projected") -> Tensor:
        """Normalised pixels [picture, 3, h, w] -> [picture, dim] or, if kind is "penultimate", [picture, width].

        float32, not unit norm. The hidden feature is pooled and normed as the tower does it.
        """
        if self._blocks:
            hidden = self._class_tokens(pixels)
            return hidden if kind == "penultimate" else self.project(hidden)
        with self._autocast():
            return (self._visual(pixels) if kind == "projected" else _penultimate(self._visual, pixels)).float()

    @torch.no_grad()
    def project(self, hidden: Tensor) -> Tensor:
        """Hidden features [picture, width] -> [picture, dim], float32, as a call with "projected" ends."""
        if self._blocks:
            return hidden @ self._visual.proj
        with self._autocast():
            plain = is_plain_vit(self._visual)
            return (hidden @ self._visual.proj if plain else self._visual.trunk.head(hidden)).float()

    def _class_tokens(self, pixels: Tensor) -> Tensor:
        """[picture, 3, h, w] -> [picture, width]"""
        # a CPU has no fast convolution of half types, and it is a hundredth of the work
        with self._autocast(self._device.type != "cpu"):
            x = self._visual._embeds(pixels).float()  # [picture, row, width]
        *blocks, last = self._blocks
        for block in blocks:
            x = block(x)
        return self._visual.ln_post(last.first_row(x)[:, 0])

    def _autocast(self, wanted: bool = True) -> torch.autocast:
        return torch.autocast(self._device.type, self._dtype, enabled=wanted and self._dtype != torch.float32)

    @property
    def _device(self) -> torch.device:
        return next(self._visual.parameters()).device


def penultimate_width(visual: nn.Module) -> int | None:
    """Channels of the hidden feature; None if the tower is neither a plain ViT nor a timm trunk with its own head."""
    if is_plain_vit(visual):
        return visual.proj.shape[0]
    if hasattr(visual, "trunk") and len(visual.head) == 0:  # timm's own classifier is the projection (EVA02-CLIP)
        return visual.trunk.num_features
    return None


def projection_of(visual: nn.Module) -> tuple[Tensor, Tensor | None]:
    """From hidden features into the joint space: a matrix [width, dim], and a bias [dim] or None.

    visual: a tower whose `penultimate_width` is not None.
    """
    if is_plain_vit(visual):
        return visual.proj.detach(), None
    head = visual.trunk.head
    return head.weight.detach().T, None if head.bias is None else head.bias.detach()


def _penultimate(visual: nn.Module, pixels: Tensor) -> Tensor:
    if is_plain_vit(visual):
        return visual._pool(visual.transformer(visual._embeds(pixels)))[0]
    return visual.trunk.forward_head(visual.trunk.forward_features(pixels), pre_logits=True)


def is_plain_vit(visual: nn.Module) -> bool:
    """Whether this is open_clip's own vision transformer with CLIP's projection."""
    return type(visual).__name__ == "VisionTransformer" and getattr(visual, "proj", None) is not None


def _rows(visual: nn.Module) -> int | None:
    """Rows per picture, class token included; None in a tower without patches."""
    if is_plain_vit(visual):
        return len(visual.positional_embedding)
    patches = getattr(getattr(visual, "trunk", None), "patch_embed", None)
    return getattr(patches, "num_patches", -1) + 1 or None


def _fits_our_blocks(visual: nn.Module) -> bool:
    """Whether it is wide and reads only its class token."""
    wide = visual.class_embedding.shape[0] > NARROW
    return wide and visual.attn_pool is None and visual.pool_type == "tok" and isinstance(visual.ln_post, nn.LayerNorm)
