"""One learned vector, added to the text feature of every class.

Equation: w_i = (t_i + x) / ‖t_i + x‖,   logit_i = s · cos(f, w_i).
Carried: x. Computed again: t and f.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F

from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.training.learner import Learner, Method
from clipcompat.training.recipe import Recipe


@dataclass(frozen=True)
class OneResidual(Method):
    name: ClassVar[str] = "one_residual"
    title: ClassVar[str] = "one residual"
    acts_on: ClassVar[str] = "class weights"

    recipe: Recipe = Recipe(lr=0.1, max_steps=100, schedule="step", warmup_epochs=0)

    def setup(self, task):  # what is learned, from where it starts, and its loss
        backbone, data = task.backbone, task.data
        text = zero_shot_weights(backbone, data.classnames, data.train.template)
        learned = trainable({"x": torch.zeros(backbone.dim)}, task)

        def loss(features, labels):
            w = F.normalize(text + learned["x"], dim=-1)
            logits = cosine_logits(features, w, backbone.logit_scale)
            return F.cross_entropy(logits, labels)

        return Learner(learned, loss)

    def class_weights(self, tensors, backbone, classnames, template):  # on any backbone
        text = zero_shot_weights(backbone, classnames, template)
        return F.normalize(text + tensors["x"], dim=-1)

    def logits(self, tensors, backbone, features, classnames, template):
        w = self.class_weights(tensors, backbone, classnames, template)
        return cosine_logits(features, w, backbone.logit_scale)

    def shapes(self, classes):  # "dim": as long as the joint features
        return {"x": ("dim",)}

    def mismatch(self, tensors, backbone, classnames):  # why it cannot act there, or None
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)
