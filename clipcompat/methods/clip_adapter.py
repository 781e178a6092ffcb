"""CLIP-Adapter, an adapter of image features (Gao et al. 2021, arXiv 2110.04544; gaopengcuhk/CLIP-Adapter).

Equations: A(f) = ReLU(W_2 ReLU(W_1 f)),  f' = a · A(f) + (1 − a) · f,  logits = s · cos(f', w^zs).
Learned and carried: W_1, W_2 (no biases) and the ratio a. Recomputed: the zero-shot classifier w^zs, image features f.
f is not normalised. Its length does not matter, because A(k f) = k A(f) for k > 0.

Deviations: sizes follow the backbone (upstream: 1024, for a ResNet). The constant text features are computed once. The
paper tunes a for each dataset and trains with it; `search` only chooses it after training, on validation images.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError
from clipcompat.methods.parts.logits import cosine_logits, no_class_weights
from clipcompat.methods.parts.parameters import hidden_width, linear_default, tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.training.learner import Learner, Method, Shape
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task


@dataclass(frozen=True)
class CLIPAdapter(Method):
    """A two-layer bottleneck beside the image feature.

    ratio: a, the adapter's share of the feature; 0.2 in the code. reduction: the bottleneck is dim / reduction wide.
    search: after training, choose the ratio among 0, 0.1 … 1 on validation images (of equals the smallest).
    """

    name: ClassVar[str] = "clip_adapter"
    title: ClassVar[str] = "CLIP-Adapter"
    acts_on: ClassVar[str] = "image features"

    ratio: float = 0.2
    reduction: int = 4
    search: bool = False
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self):
        if not 0 <= self.ratio <= 1:
            raise ConfigError(f"ratio is the adapter's share of the feature, from 0 to 1, not {self.ratio}.")
        if self.reduction < 1:
            raise ConfigError(f"reduction must be at least 1, not {self.reduction}.")

    def setup(self, task: Task) -> Learner:
        backbone, dim = task.backbone, task.backbone.dim
        hidden = hidden_width(dim, self.reduction)
        if self.search:
            task.require_validation("the adapter's ratio")
        start = {
            "fc.0.weight": linear_default(hidden, dim, task.generator),
            "fc.2.weight": linear_default(dim, hidden, task.generator),
        }
        parameters = trainable(start, task)
        weights = zero_shot_weights(backbone, task.data.classnames, task.data.train.template)
        ratio = torch.tensor(self.ratio, device=backbone.device)

        def loss(features: Tensor, labels: Tensor) -> Tensor:
            mixed = _mix(parameters, ratio, features)
            return F.cross_entropy(cosine_logits(mixed, weights, backbone.logit_scale), labels)

        @torch.no_grad()
        def finish() -> dict[str, Tensor]:
            if not self.search:
                return {**parameters, "ratio": ratio}
            features, labels = task.validation()
            ratios = torch.arange(11, device=backbone.device) / 10
            found = [(_mix(parameters, r, features) @ weights.T).argmax(-1) for r in ratios]
            hits = torch.stack([(f == labels).sum() for f in found])
            return {**parameters, "ratio": ratios[hits.argmax()]}

        return Learner(parameters, loss, finish=finish)

    def class_weights(self, tensors, backbone: Backbone, classnames, template):
        no_class_weights(self, "it changes the image feature before comparing it with the zero-shot classifier")

    def logits(self, tensors, backbone: Backbone, features, classnames, template) -> Tensor:
        mixed = _mix(tensors, tensors["ratio"], features)
        return cosine_logits(mixed, zero_shot_weights(backbone, classnames, template), backbone.logit_scale)

    def shapes(self, classes: int) -> dict[str, Shape]:
        hidden = f"dim/{self.reduction}"
        return {"fc.0.weight": (hidden, "dim"), "fc.2.weight": ("dim", hidden), "ratio": ()}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)


def _mix(tensors, ratio: Tensor, features: Tensor) -> Tensor:
    """f', [image, dim], not normalised."""
    adapted = F.relu(F.linear(F.relu(F.linear(features, tensors["fc.0.weight"])), tensors["fc.2.weight"]))
    return ratio * adapted + (1 - ratio) * features
