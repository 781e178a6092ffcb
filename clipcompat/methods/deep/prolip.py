"""ProLIP, tuning the projection of image features (Fahes et al. 2024, arXiv 2410.05270; astra-vision/ProLIP
methods/ProLIP.py).

Equations: logits = s · cos(h P + c, w^zs),  L = CE + λ ‖P − P_0‖²,  λ = 1/K for K shots. h are the hidden image
features before the projection. P_0 is the projection of the backbone in training, and c its bias (EVA02-CLIP has one).
Learned: P. Carried: P, in place of the new backbone's own projection; so it fits only if both widths agree. With
carried="difference" it is P − P_0 that is carried, and added to the new backbone's own projection.
Recomputed: h, c and the zero-shot classifier w^zs. It holds for any class names.

Upstream's constants: Adam at 1e-5 with eps 1e-4, 300 steps on all pictures at once, another of 300 views each (give
`fit` views=300), a cosine over the steps. Its other protocol searches rate and λ on few validation pictures.
Upstream's defects: view 0 is used last, not first; classes of ResNets' projection have their widths swapped in name.
Left out: ResNets, whose projection is part of their attention pooling. Deviation: float32 (upstream: half).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.methods.parts.logits import cosine_logits, no_class_weights
from clipcompat.methods.parts.parameters import tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.methods.parts.protocol import NO_VALIDATION, VALIDATION, BestEpoch, check_protocol
from clipcompat.training.learner import Learner, Method, Shape, Tensors
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

CARRIED = ("projection", "difference")


def _recipe() -> Recipe:
    optimizer = {"optimizer": "adam", "lr": 1e-5, "eps": 1e-4, "weight_decay": 0.0}
    steps = {"epochs": 300, "batch_size": 10**9, "schedule": "step", "warmup_epochs": 0}
    return Recipe(**optimizer, **steps, crop=(0.5, 1.0))


@dataclass(frozen=True)
class ProLIP(Method):
    """The image tower's projection, tuned and held near what it was.

    pull: λ; None is 1 / pictures per class. carried: "projection" or "difference", see the module. scale: s; None is
    the backbone's. protocol: "no-validation" keeps the last epoch; "validation" the best one on validation pictures.
    """

    name: ClassVar[str] = "prolip"
    title: ClassVar[str] = "ProLIP"
    acts_on: ClassVar[str] = "image features"
    image_features: ClassVar[str] = "penultimate"

    pull: float | None = None
    carried: str = "projection"
    scale: float | None = 100.0
    protocol: str = NO_VALIDATION
    recipe: Recipe = field(default_factory=_recipe)

    def __post_init__(self):
        check_protocol(self.protocol)
        if self.carried not in CARRIED:
            raise unknown_name("carried part", self.carried, CARRIED)
        if self.pull is not None and not 0 <= self.pull <= 1e30:
            raise ConfigError(f"pull must be 0 or more, not {self.pull}.")
        if self.scale is not None and self.scale <= 0:
            raise ConfigError(f"scale must be positive, not {self.scale}.")

    def setup(self, task: Task) -> Learner:
        backbone, data = task.backbone, task.data
        start, _ = backbone.projection
        weight = len(data.classnames) / len(data.train) if self.pull is None else self.pull
        changed = self.carried == "difference"
        parameters = trainable({self.carried: torch.zeros_like(start) if changed else start.clone()}, task)
        text = zero_shot_weights(backbone, data.classnames, data.train.template)

        def logits(tensors: Tensors, hidden: Tensor) -> Tensor:
            return cosine_logits(self._project(tensors, backbone, hidden), text, self._scale(backbone))

        def loss(hidden: Tensor, labels: Tensor) -> Tensor:
            learned = parameters[self.carried]
            moved = learned if changed else learned - start
            return F.cross_entropy(logits(parameters, hidden), labels) + weight * moved.pow(2).sum()

        best = BestEpoch(task, parameters, logits, self.image_features) if self.protocol == VALIDATION else None
        return Learner(
            parameters,
            loss,
            after_epoch=best.look if best else None,
            finish=lambda: best.tensors if best else parameters,
        )

    def class_weights(self, tensors, backbone: Backbone, classnames, template):
        no_class_weights(self, "it changes the image feature before comparing it with the zero-shot classifier")

    def logits(self, tensors, backbone: Backbone, features, classnames, template) -> Tensor:
        weights = zero_shot_weights(backbone, classnames, template)
        return cosine_logits(self._project(tensors, backbone, features), weights, self._scale(backbone))

    def shapes(self, classes: int) -> dict[str, Shape]:
        return {self.carried: ("penultimate", "dim")}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        if backbone.penultimate is None:
            return "it tunes the projection of hidden image features, and this tower has none"
        shape = tuple(tensors[self.carried].shape) if self.carried in tensors else ()
        if len(shape) == 2 and shape != (backbone.penultimate, backbone.dim):
            return (
                f"its projection leads from {shape[0]} hidden channels to {shape[1]}, and that of this tower from "
                f"{backbone.penultimate} to {backbone.dim}"
            )
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    def _project(self, tensors: Tensors, backbone: Backbone, hidden: Tensor) -> Tensor:
        """[image, penultimate] -> [image, dim], not normalised."""
        own, bias = backbone.projection
        matrix = own + tensors["difference"] if self.carried == "difference" else tensors["projection"]
        return hidden @ matrix if bias is None else hidden @ matrix + bias

    def _scale(self, backbone: Backbone) -> float:
        return backbone.logit_scale if self.scale is None else self.scale
