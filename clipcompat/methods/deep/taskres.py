"""TaskRes, a task residual on the text classifier (Yu et al. 2023, arXiv 2211.10277; geekyutao/TaskRes
trainers/taskres.py).

Equations: t'_c = t_c + α x_c,   logits = s · cos(t'_c, f). t_c is the text feature as the tower gives it, not
normalised, the mean of several templates; x starts from 0.
Learned and carried: the residual x [class, dim], and α. Recomputed: t and f. So on a new backbone the residual sits on
top of that backbone's text features.

Upstream's constants: α 0.5, on Flowers 1. Adam at 2e-3, on ImageNet 2e-4. 200 epochs for 8 and 16 shots; for fewer, 100
(set recipe.epochs=100).
Upstream's defects: `.cuda()` in the text encoder, so that it cannot run on a CPU; its code calls the scale "DCT".
Left out: the "enhanced base", a text projection tuned first, whose training upstream does not publish.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.methods.parts.protocol import NO_VALIDATION, VALIDATION, BestEpoch, check_protocol
from clipcompat.training.learner import Learner, Method, Shape
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task


@dataclass(frozen=True)
class TaskRes(Method):
    """A learned vector per class, added to the class's text feature.

    alpha: None is the code's value for the dataset, 0.5 or, on Flowers, 1. protocol: "no-validation" keeps the last
    epoch, as upstream; "validation" the best one on validation pictures. recipe: adam_lr2e-3_B256_ep200.yaml.
    """

    name: ClassVar[str] = "taskres"
    title: ClassVar[str] = "TaskRes"
    acts_on: ClassVar[str] = "class weights"
    class_specific: ClassVar[bool] = True

    alpha: float | None = None
    protocol: str = NO_VALIDATION
    recipe: Recipe = field(default_factory=lambda: Recipe(optimizer="adam", epochs=200, batch_size=256))

    def __post_init__(self):
        check_protocol(self.protocol)
        if self.alpha is not None and not 0 < self.alpha <= 1e30:
            raise ConfigError(f"alpha scales the residual and must be positive, not {self.alpha}.")

    def setup(self, task: Task) -> Learner:
        backbone, data = task.backbone, task.data
        base = zero_shot_weights(backbone, data.classnames, data.train.template, normalize=False)  # [class, dim]
        parameters = trainable({"residual": torch.zeros_like(base)}, task)
        alpha = torch.tensor(residual_scale(data.name) if self.alpha is None else self.alpha, device=backbone.device)

        def logits(tensors, features: Tensor) -> Tensor:
            return cosine_logits(
                features, F.normalize(base + alpha * tensors["residual"], dim=-1), backbone.logit_scale
            )

        def loss(features: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(logits(parameters, features), labels)

        best = BestEpoch(task, parameters, logits) if self.protocol == VALIDATION else None
        return Learner(
            parameters,
            loss,
            options={"residual": {"lr_scale": 0.1}} if data.name.startswith("imagenet") else {},
            after_epoch=best.look if best else None,
            finish=lambda: {**(best.tensors if best else parameters), "alpha": alpha},
        )

    def class_weights(self, tensors, backbone: Backbone, classnames, template) -> Tensor:
        base = zero_shot_weights(backbone, classnames, template, normalize=False)
        return F.normalize(base + tensors["alpha"] * tensors["residual"], dim=-1)

    def logits(self, tensors, backbone: Backbone, features, classnames, template) -> Tensor:
        weights = self.class_weights(tensors, backbone, classnames, template)
        return cosine_logits(features, weights, backbone.logit_scale)

    def shapes(self, classes: int) -> dict[str, Shape]:
        return {"residual": (classes, "dim"), "alpha": ()}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)


def residual_scale(dataset: str | None) -> float:
    """Upstream's α. dataset: a name as in `Dataset.name`, or None."""
    return 1.0 if str(dataset).startswith("oxford_flowers") else 0.5
