"""MaPLe, multi-modal prompt learning (Khattak et al. 2023, arXiv 2210.03117; muzairkhattak/multimodal-prompt-learning).

Text: v overwrites the first N tokens of "a photo of a {}.", and P_k rows 1 … N before block k. Images: F_0(v) is
appended to the patches, and F_k(P_k) takes its place before block k; F is a linear layer (`backbones/image/prompted`).
    p(y = i | x) = softmax_i(cos(T(v, P; c_i), I(F_0(v), F(P); x)) / tau),  L = CE.
Learned and carried: v, P and F. Recomputed: both towers, and hence image features, which no other method shares.

Deviations: parameters are float32 (upstream: v and F_0 half, and P rounded to half inside blocks). P and F of all
blocks are one tensor each, "deep" [block, token, width] and "deep_proj". A tower with fewer than J blocks takes fewer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import context_mismatch, linear_default, tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import PromptTable, start_context
from clipcompat.methods.visual.depth import check_depth, deep_layers, deep_prompts, depth_mismatch, injections
from clipcompat.training.learner import Learner, Method, Shape
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task


@dataclass(frozen=True)
class MaPLe(Method):
    """Prompts in the text tower, and linear images of them in the image tower.

    n_ctx: learned tokens per block, N. ctx_init: words before the class name; v starts from their first N tokens, and
        the others stay. None: N tokens from N(0, 0.02²). depth: blocks with prompts, the input among them: J.
    recipe: 5 epochs of 4 images (vit_b16_c2_ep5_batch4_2ctx.yaml). Its cross-dataset runs: depth 3, lr
        0.0026, 2 epochs.
    """

    name: ClassVar[str] = "maple"
    title: ClassVar[str] = "MaPLe"
    acts_on: ClassVar[str] = "prompts of both towers"
    needs: ClassVar[str] = "pixels"

    n_ctx: int = 2
    ctx_init: str | None = "a photo of a"
    depth: int = 9
    recipe: Recipe = field(default_factory=lambda: Recipe(lr=3.5e-3, epochs=5, batch_size=4))

    def __post_init__(self):
        check_depth(self.depth, self.n_ctx)

    def setup(self, task: Task) -> Learner:
        backbone, generator = task.backbone, task.generator
        layers, n, seen = deep_layers(backbone, self.depth), self.n_ctx, backbone.penultimate
        start = {"ctx": start_context(backbone, n, self.ctx_init, generator)[:n]}
        if len(start["ctx"]) < n:
            raise ConfigError(f"{self.ctx_init!r} has {len(start['ctx'])} tokens, fewer than n_ctx={n}.")
        start |= _linear("proj", seen, backbone.width, generator)
        if layers:
            start["deep"] = deep_prompts(layers, n, backbone.width, generator)
            one = _linear("deep_proj", seen, backbone.width, generator)  # upstream copies one layer for all blocks
            start |= {name: value.repeat(layers, *[1] * value.ndim) for name, value in one.items()}
        parameters = trainable(start, task)
        table = self._table(backbone, task.data.classnames)

        def objective(features: Tensor, labels: Tensor, text: Tensor) -> Tensor:
            weights = F.normalize(text, dim=-1)
            return F.cross_entropy(cosine_logits(features, weights, backbone.logit_scale), labels)

        return Learner(
            parameters,
            objective,
            prompts=lambda features: table.prompts(parameters["ctx"], injections(parameters.get("deep"))),
            tower=backbone.text,
            see=lambda pixels: backbone.prompted_features(pixels, visual_prompts(parameters)),
        )

    def image_towers(self, tensors, backbone: Backbone) -> tuple[Backbone]:
        return (backbone.with_visual_prompts(visual_prompts(tensors)),)

    def class_weights(self, tensors, backbone: Backbone, classnames, template=None) -> Tensor:
        prompts = self._table(backbone, classnames).prompts(tensors["ctx"], injections(tensors.get("deep")))
        return F.normalize(backbone.text.run(prompts), dim=-1)

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None) -> Tensor:
        return cosine_logits(features, self.class_weights(tensors, backbone, classnames), backbone.logit_scale)

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

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        if why := context_mismatch(tensors, 2, backbone) or depth_mismatch(tensors, "deep", backbone):
            return why
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    def _table(self, backbone: Backbone, classnames: Sequence[str]) -> PromptTable:
        return PromptTable.of(backbone, classnames, self.n_ctx, words=self.ctx_init)


def visual_prompts(tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """F_0(v), F_1(P_1), …: [n_ctx, penultimate] each."""
    first = F.linear(tensors["ctx"], tensors["proj.weight"], tensors["proj.bias"])
    if "deep" not in tensors:
        return [first]
    deep = tensors["deep"] @ tensors["deep_proj.weight"].mT + tensors["deep_proj.bias"][:, None]  # [block, n_ctx, …]
    return [first, *deep]


def _linear(name: str, outputs: int, inputs: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The initial weight and bias of a linear layer."""
    weight = linear_default(outputs, inputs, generator)
    return {f"{name}.weight": weight, f"{name}.bias": linear_default(outputs, inputs, generator, bias=True)}
