"""The image tower with visual prompts: learned rows beside the patches, in the input and before later blocks.

Papers: VPT (arXiv 2203.12119), MaPLe (arXiv 2210.03117); muzairkhattak/multimodal-prompt-learning clip/model.py. The
first prompt is appended behind the patches: it gets no position, and goes through the norm before the first block, if
there is one. Each later one replaces those rows before its block. The feature is the class token's.

    x_0 = [ln_pre(class, patches + pos), ln_pre(p_0)];   x_k = block_k([class and patches of x_(k-1), p_k])

EVA's trunk turns queries and keys of patches by their place. Its class token is not turned, and neither are prompts:
they get the angle 0. So the order of the rows does not matter there either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clipcompat.backbones.device import NARROW
from clipcompat.backbones.image.block import VisionBlock
from clipcompat.backbones.image.tower import ImageTower, is_plain_vit


class PromptedTower(ImageTower):
    """A frozen image tower that is fed normalised pixels and prompts; gradients flow to the prompts."""

    def __init__(self, model: nn.Module, dtype: torch.dtype = torch.float32):
        self._visual, self._dtype = model.visual, dtype
        plain = is_plain_vit(model.visual)
        self._blocks = [VisionBlock(b, dtype) for b in model.visual.transformer.resblocks] if plain else []

    def __call__(self, pixels: Tensor, prompts: Sequence[Tensor], kind: str = "projected") -> Tensor:
        """Normalised pixels [picture, 3, h, w] -> [picture, dim] or, if kind is "penultimate", [picture, width].

        prompts: for blocks 0, 1, …, at least one: [row, width] each, with the same number of rows. float32, not unit
        norm.
        """
        if self._blocks:
            hidden = self._class_tokens(pixels, prompts)
            return hidden if kind == "penultimate" else hidden @ self._visual.proj
        with self._autocast():
            trunk = self._visual.trunk
            return trunk.forward_head(self._through_trunk(pixels, prompts), pre_logits=kind == "penultimate").float()

    def _class_tokens(self, pixels: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """[picture, 3, h, w] -> [picture, width]"""
        with torch.no_grad(), self._autocast(self._device.type != "cpu"):
            x = self._visual._embeds(pixels).float()  # [picture, row, width]
        x = _behind(x, self._visual.ln_pre(prompts[0]))
        *blocks, last = self._blocks
        for number, block in enumerate(blocks):
            x = block(_replaced(x, prompts, number))
        x = _replaced(x, prompts, len(blocks))
        # in a narrow tower, products of single rows would make a feature depend on the batch size
        first = last.first_row(x) if x.shape[-1] > NARROW else last(x)
        return self._visual.ln_post(first[:, 0])

    def _through_trunk(self, pixels: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """[picture, 3, h, w] -> [picture, row, width], prompts last"""
        trunk = self._visual.trunk
        with torch.no_grad():
            x, angles = trunk._pos_embed(trunk.patch_embed(pixels))
            x = trunk.norm_pre(x)
        if angles is not None:
            angles = torch.cat([angles, _no_turn(len(prompts[0]), angles)])
        x = _behind(x, trunk.norm_pre(prompts[0]))
        for number, block in enumerate(trunk.blocks):
            x = block(_replaced(x, prompts, number), rope=angles)
        return trunk.norm(x)


@dataclass(frozen=True)
class FixedPrompts:
    """A prompted tower with prompts that are no longer trained, in place of a backbone's `ImageTower`."""

    tower: PromptedTower
    prompts: tuple[Tensor, ...]

    @property
    def at_once(self) -> int:
        return self.tower.at_once

    @torch.no_grad()
    def __call__(self, pixels: Tensor, kind: str = "projected") -> Tensor:
        return self.tower(pixels, self.prompts, kind)

    def project(self, hidden: Tensor) -> Tensor:
        return self.tower.project(hidden)


def prompted_layers(visual: nn.Module) -> int:
    """Blocks of an image tower that takes visual prompts; 0 if it takes none."""
    if why_no_prompts(visual):
        return 0
    return len(visual.transformer.resblocks if is_plain_vit(visual) else visual.trunk.blocks)


def why_no_prompts(visual: nn.Module) -> str | None:
    """A half-sentence on why this image tower takes no visual prompts; None if it does."""
    if is_plain_vit(visual):
        if visual.attn_pool is not None or visual.pool_type != "tok" or not isinstance(visual.ln_post, nn.LayerNorm):
            return "it pools all rows, and prompts would be among them"
        blocks = visual.transformer.resblocks
        return None if all(map(VisionBlock.can_read, blocks)) else "its blocks are of another kind than CLIP's"
    trunk = getattr(visual, "trunk", None)
    if type(trunk).__name__ != "Eva" or len(visual.head):
        return f"it is a {type(trunk or visual).__name__}, and prompts are defined for CLIP's ViT and EVA02-CLIP"
    if trunk.global_pool != "token" or trunk.attn_pool is not None:
        return "it pools all rows, and prompts would be among them"
    if getattr(trunk, "rope_mixed", False):
        return "its rotary positions differ from block to block and head to head"
    return None


def _behind(x: Tensor, prompt: Tensor) -> Tensor:
    """x [picture, row, width] with prompt [token, width] behind every picture's rows."""
    return torch.cat([x, prompt.to(x.dtype).expand(len(x), -1, -1)], dim=1)


def _replaced(x: Tensor, prompts: Sequence[Tensor], block: int) -> Tensor:
    """x with the prompt of this block, above block 0, in place of its last rows; x itself if it has none."""
    if not 0 < block < len(prompts):
        return x
    return _behind(x[:, : -len(prompts[block])], prompts[block])


def _no_turn(rows: int, angles: Tensor) -> Tensor:
    """Rotary embeddings of rows that are not turned, [row, 2 · channel]: sines 0, then cosines 1."""
    still = angles.new_zeros(rows, angles.shape[-1])
    still[:, angles.shape[-1] // 2 :] = 1
    return still
