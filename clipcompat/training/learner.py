"""What every method is: how `fit` trains one and how a plug-in asks it for logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.text.input import Prompts
from clipcompat.backbones.text.tower import TextTower
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

Template = str | tuple[str, ...]
DEPTHS = {"prompts": "shallow", "image features": "deep", "class weights": "deep", "nothing": ""}
"""What a method can act on -> what the ContCoOp paper (arXiv 2412.20895) calls it."""


@dataclass(frozen=True)
class Learner:
    """A method set up on one task, ready to be trained.

    parameters: what is learned, float32, on the backbone's device; none: there is nothing to train.
    objective: (image features [batch, dim], not normalised; labels [batch]) -> scalar; with `prompts` it is also given
        their text features [prompt, dim], not normalised.
    options: parameter name -> extra optimiser options of its own: `lr_scale`, `weight_decay`.
    first_view: views before this one are not trained on (they went into something else).
    after_epoch: called with the number of epochs done.
    finish: gives the plug-in's tensors once training is over; None: the parameters as they are.
    prompts: image features [batch, dim] -> what the text tower reads; None: nothing is read. A learner does not run the
        tower itself, so that several can be trained in one pass.
    tower: reads the prompts.
    """

    parameters: Mapping[str, Tensor]
    objective: Callable[..., Tensor]
    options: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    first_view: int = 0
    after_epoch: Callable[[int], None] | None = None
    finish: Callable[[], Mapping[str, Tensor]] | None = None
    prompts: Callable[[Tensor], Prompts] | None = None
    tower: TextTower | None = None

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """The objective of one batch, text tower included -> scalar."""
        return losses([self], [features], [labels])[0]


def losses(learners: Sequence[Learner], features: Sequence[Tensor], labels: Sequence[Tensor]) -> list[Tensor]:
    """One batch a learner -> one scalar each; what they have the text tower read, it reads in one pass."""
    batches = list(zip(learners, features, labels, strict=True))
    if not learners or not learners[0].prompts:
        return [learner.objective(f, y) for learner, f, y in batches]
    texts = learners[0].tower.many([learner.prompts(f) for learner, f, _ in batches])
    return [learner.objective(f, y, text) for (learner, f, y), text in zip(batches, texts, strict=True)]


class Method(Protocol):
    """Frozen hyper-parameters that know how to make a plug-in."""

    name: ClassVar[str]
    """Its key in `METHODS`, in records and in files: "tip_adapter_f"."""

    title: ClassVar[str]
    """Its name in print: "Tip-Adapter-F"."""

    acts_on: ClassVar[str]
    """Which part of the pipeline its plug-in changes: a key of `DEPTHS`."""

    needs: ClassVar[str]
    """"features" (cached image features), "pixels" (learners with visual prompts) or "nothing" (no training)."""

    image_features: str
    """Which image features it sees: "projected" into the joint space, or "penultimate", before that projection."""

    class_specific: bool
    """Some tensors belong to single classes, so a plug-in serves the class list it was tuned on and no other."""

    recipe: Recipe

    def setup(self, task: Task) -> Learner:
        """Parameters with their initial values, and how they are trained."""

    def class_weights(
        self, tensors: Mapping[str, Tensor], backbone: Backbone, classnames: Sequence[str], template: Template
    ) -> Tensor:
        """[class, dim], unit norm; `no_class_weights` where the method has no such thing."""

    def logits(
        self, tensors: Mapping[str, Tensor], backbone: Backbone, features: Tensor,
        classnames: Sequence[str], template: Template,
    ) -> Tensor:  # fmt: skip
        """Image features [image, dim], not normalised -> [image, class]."""

    def mismatch(self, tensors: Mapping[str, Tensor], backbone: Backbone, classnames: Sequence[str]) -> str | None:
        """Why these tensors cannot act on this backbone and class list, or None if they can."""


def no_loss(features: Tensor, labels: Tensor) -> Tensor:
    """Of methods that train nothing."""
    return features.new_zeros(())
