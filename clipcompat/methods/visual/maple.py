"""MaPLe, multi-modal prompt learning (Khattak et al. 2023, arXiv 2210.03117; muzairkhattak/multimodal-prompt-learning).

Text: v overwrites the first N tokens of "a photo of a {}.", and P_k rows 1 … N before block k. Images: F_0(v) is
appended to the patches, and F_k(P_k) takes its place before block k; F is a linear layer (`backbones/image/prompted`).
    p(y = i | x) = softmax_i(cos(T(v, P; c_i), I(F_0(v), F(P); x)) / tau),  L = CE.
Learned and carried: v, P and F. Recomputed: both towers, and hence image features, which no other method shares.

Deviations: parameters are float32 (upstream: v and F_0 half, and P rounded to half inside blocks). P and F of all
blocks are one tensor each, "deep" [block, token, width] and "deep_proj". A tower with fewer than J blocks takes fewer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import linear_default, trainable
from clipcompat.methods.visual.both_towers import BothTowers
from clipcompat.methods.visual.depth import deep_layers, deep_prompts
from clipcompat.training.learner import Learner, Shape, Tensors
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task


@dataclass(frozen=True)
class MaPLe(BothTowers):
    """Prompts in the text tower, and linear images of them in the image tower.

    n_ctx: learned tokens per block, N. ctx_init: words before the class name; v starts from their first N tokens, and
        the others stay. None: N tokens from N(0, 0.02²). depth: blocks with prompts, the input among them: J.
    recipe: 5 epochs of 4 images (vit_b16_c2_ep5_batch4_2ctx.yaml). Its cross-dataset runs: depth 3, lr
        0.0026, 2 epochs.
    """

    name: ClassVar[str] = "maple"
    title: ClassVar[str] = "MaPLe"

    n_ctx: int = 2
    ctx_init: str | None = "a photo of a"
    depth: int = 9
    recipe: Recipe = field(default_factory=lambda: Recipe(lr=3.5e-3, epochs=5, batch_size=4))

    def setup(self, task: Task) -> Learner:
        backbone, generator = task.backbone, task.generator
        layers, n, seen = deep_layers(backbone, self.depth), self.n_ctx, backbone.penultimate
        start = {"ctx": self.start(backbone, generator)}
        start |= _linear("proj", seen, backbone.width, generator)
        if layers:
            start["deep"] = deep_prompts(layers, n, backbone.width, generator)
            one = _linear("deep_proj", seen, backbone.width, generator)  # upstream copies one layer for all blocks
            start |= {name: value.repeat(layers, *[1] * value.ndim) for name, value in one.items()}
        parameters = trainable(start, task)
        table = self.table(backbone, task.data.classnames)

        def objective(features: Tensor, labels: Tensor, text: Tensor) -> Tensor:
            weights = F.normalize(text, dim=-1)
            return F.cross_entropy(cosine_logits(features, weights, backbone.logit_scale), labels)

        return Learner(
            parameters,
            objective,
            prompts=lambda features: self.prompts(parameters, table),
            tower=backbone.text,
            see=lambda pixels: backbone.prompted_features(pixels, self.visual_prompts(parameters)),
        )

    def visual_prompts(self, tensors: Tensors) -> Sequence[Tensor]:
        """F_0(v), F_1(P_1), …"""
        first = F.linear(tensors["ctx"], tensors["proj.weight"], tensors["proj.bias"])
        if "deep" not in tensors:
            return [first]
        deep = tensors["deep"] @ tensors["deep_proj.weight"].mT + tensors["deep_proj.bias"][:, None]
        return [first, *deep]  # deep: [block, n_ctx, penultimate]

    def shapes(self, classes: int) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {
            "ctx": (self.n_ctx, "width"),
            "proj.weight": ("penultimate", "width"),
            "proj.bias": ("penultimate",),
        }
        if self.depth > 1:
            shapes["deep"] = ("block", self.n_ctx, "width")
            shapes["deep_proj.weight"] = ("block", "penultimate", "width")
            shapes["deep_proj.bias"] = ("block", "penultimate")
        return shapes


def _linear(name: str, outputs: int, inputs: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The initial weight and bias of a linear layer."""
    weight = linear_default(outputs, inputs, generator)
    return {f"{name}.weight": weight, f"{name}.bias": linear_default(outputs, inputs, generator, bias=True)}
