"""CoCoOp, conditional context optimisation (Zhou et al. 2022, arXiv 2203.05557; KaiyangZhou/CoOp trainers/cocoop.py).

Equations: v_m(x) = v_m + π(f),  π(f) = W_2 ReLU(W_1 f + b_1) + b_2,  t_i(x) = [v_1(x) … v_N(x), c_i],
p(y = i | x) = softmax_i(cos(T(t_i(x)), f) / tau), with f of unit norm. Learned and carried: v and the meta-net π.
Recomputed: token embeddings, both towers, and hence every prompt, of every image.

Each image has its own classifier, so the text tower reads images × classes prompts. It reads them in batches, and the
prefix before the class name is computed once per image; the numbers are the same as image by image. Upstream trains
with one image per step (`recipe.batch_size`). Deviation: parameters are float32 (upstream: fp16, the meta-net too).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.text.input import Prompts
from clipcompat.common.errors import ConfigError
from clipcompat.methods.parts.logits import no_class_weights
from clipcompat.methods.parts.parameters import (
    context_mismatch,
    hidden_width,
    linear_default,
    tensor_mismatch,
    trainable,
)
from clipcompat.methods.parts.prompts import PromptTable, start_context
from clipcompat.training.learner import Learner, Method, Shape
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

_ROWS = 1 << 15  # text rows per pass at test time


@dataclass(frozen=True)
class CoCoOp(Method):
    """A context that a small network (the meta-net) shifts by the image.

    n_ctx, ctx_init: as in CoOp. reduction: the meta-net's hidden layer is dim / reduction wide.
    recipe: 10 epochs of single images (vit_b16_c4_ep10_batch1_ctxv1.yaml).
    """

    name: ClassVar[str] = "cocoop"
    title: ClassVar[str] = "CoCoOp"
    acts_on: ClassVar[str] = "prompts"
    conditioned_on: ClassVar[str] = "images"

    n_ctx: int = 4
    ctx_init: str | None = "a photo of a"
    reduction: int = 16
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=10, batch_size=1))

    def __post_init__(self):
        for count in ("n_ctx", "reduction"):
            if getattr(self, count) < 1:
                raise ConfigError(f"{count} must be at least 1, not {getattr(self, count)}.")

    def setup(self, task: Task) -> Learner:
        backbone, generator = task.backbone, task.generator
        hidden = hidden_width(backbone.dim, self.reduction)
        start = {
            "ctx": start_context(backbone, self.n_ctx, self.ctx_init, generator),
            "meta_net.linear1.weight": linear_default(hidden, backbone.dim, generator),
            "meta_net.linear1.bias": linear_default(hidden, backbone.dim, generator, bias=True),
            "meta_net.linear2.weight": linear_default(backbone.width, hidden, generator),
            "meta_net.linear2.bias": linear_default(backbone.width, hidden, generator, bias=True),
        }
        parameters = trainable(start, task)
        table = PromptTable.of(backbone, task.data.classnames, len(parameters["ctx"]))

        def scores(features: Tensor, text: Tensor) -> Tensor:
            return _logits(features, text, backbone.logit_scale)

        def objective(features: Tensor, labels: Tensor, text: Tensor) -> Tensor:
            return F.cross_entropy(scores(features, text), labels)

        def prompts(features: Tensor) -> Prompts:
            return _prompts(parameters, table, features)

        return Learner(parameters, objective, prompts=prompts, tower=backbone.text, scores=scores)

    def class_weights(self, tensors, backbone: Backbone, classnames, template):
        no_class_weights(self, "every image has its own")

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None, condition=None) -> Tensor:
        """condition: for each image the features [image, dim] that shift its context, a control; None: its own."""
        table = PromptTable.of(backbone, classnames, len(tensors["ctx"]))
        images = max(1, _ROWS // int((table.eot + 1 - table.prefix).sum()))  # per pass
        scores = []
        shifting = features if condition is None else condition
        for some, shifts in zip(features.split(images), shifting.split(images), strict=True):
            text = backbone.text.run(_prompts(tensors, table, shifts))
            scores.append(_logits(some, text, backbone.logit_scale))
        return torch.cat(scores)

    def shapes(self, classes: int) -> dict[str, Shape]:
        hidden = f"dim/{self.reduction}"
        return {
            "ctx": ("token" if self.ctx_init else self.n_ctx, "width"),
            "meta_net.linear1.weight": (hidden, "dim"),
            "meta_net.linear1.bias": (hidden,),
            "meta_net.linear2.weight": ("width", hidden),
            "meta_net.linear2.bias": ("width",),
        }

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        why = context_mismatch(tensors, 2, backbone)
        return why or tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)


def _prompts(tensors: Mapping[str, Tensor], table: PromptTable, features: Tensor) -> Prompts:
    """[v(x), c_i] for every image and class, image by image. Shapes: features [image, dim], shift [image, width]."""
    f = F.normalize(features, dim=-1)
    hidden = F.relu(F.linear(f, tensors["meta_net.linear1.weight"], tensors["meta_net.linear1.bias"]))
    shift = F.linear(hidden, tensors["meta_net.linear2.weight"], tensors["meta_net.linear2.bias"])
    return table.grouped(tensors["ctx"] + shift[:, None])  # [image, n_ctx, width]


def _logits(features: Tensor, text: Tensor, scale: float) -> Tensor:
    """[image, class], each image by its own classifier. text: [image · class, dim]."""
    weights = F.normalize(text, dim=-1).unflatten(0, (len(features), -1))  # [image, class, dim]
    return scale * torch.einsum("ie,ice->ic", F.normalize(features, dim=-1), weights)
