"""Zero-shot CLIP (arXiv 2103.00020): no training, a text classifier from templates; nothing is carried over.

Equation: logits = s · cos(f, w), w = text feature of the filled-in template (templates: clipcompat.data.templates).
"""

from dataclasses import dataclass
from typing import ClassVar

from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import tensor_mismatch
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.training.learner import Learner, Method, Shape, no_loss
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task


@dataclass(frozen=True)
class ZeroShot(Method):
    """The baseline of every table; its plug-in holds no tensors."""

    name: ClassVar[str] = "zero_shot"
    title: ClassVar[str] = "zero-shot"
    acts_on: ClassVar[str] = "nothing"
    needs: ClassVar[str] = "nothing"
    recipe: ClassVar[Recipe] = Recipe()

    def setup(self, task: Task) -> Learner:
        return Learner({}, no_loss)

    def class_weights(self, tensors, backbone, classnames, template):
        return zero_shot_weights(backbone, classnames, template)

    def logits(self, tensors, backbone, features, classnames, template):
        return cosine_logits(features, zero_shot_weights(backbone, classnames, template), backbone.logit_scale)

    def shapes(self, classes: int) -> dict[str, Shape]:
        return {}

    def mismatch(self, tensors, backbone, classnames) -> str | None:
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)
