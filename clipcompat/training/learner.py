"""The contract of a method: how `fit` trains it, and how a plug-in gets logits from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.text.input import Prompts
from clipcompat.backbones.text.tower import TextTower
from clipcompat.data.split import Dataset, Split
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

Template = str | tuple[str, ...]
Tensors = Mapping[str, Tensor]
"""A plug-in's tensors by name."""

Shape = tuple[int | str, ...]
"""The expected shape of a tensor. A length is a number or a name. "width", "dim" and "penultimate" are the backbone's;
"dim/16" is a sixteenth of its dim, rounded down. Any other name is of a length that is free, but is the same in every
tensor of the plug-in that names it.
"""

DEPTHS = {
    "prompts": "shallow",
    "image features": "deep",
    "class weights": "deep",
    "prompts of both towers": "",
    "weights of both towers": "",
    "nothing": "",
}
"""What a method can act on -> what the ContCoOp paper (arXiv 2412.20895) calls it; "" where it says nothing of it."""


@dataclass(frozen=True)
class Learner:
    """A method set up on one task, ready for training.

    parameters: the learned tensors, float32, on the backbone's device; empty if there is nothing to train.
    objective: (image features [batch, dim], not normalised; labels [batch]) -> loss, a scalar. With `prompts`, it also
        gets their text features [prompt, dim], not normalised.
    options: parameter name -> its own optimiser options: `lr_scale`, `weight_decay`.
    first_view: training skips the views before this one (Tip-Adapter-F's cache is made of them).
    after_epoch: called with the number of finished epochs.
    finish: returns the plug-in's tensors after training; None: the parameters as they are.
    prompts: image features [batch, dim] -> prompts for the text tower; None: the objective needs no text. A learner
        does not run the tower itself, so that several learners share one pass.
    tower: the text tower for the prompts.
    see: pixels [batch, 3, size, size], uint8 -> image features [batch, dim], with gradients, for a method that needs
        pixels. The objective and `prompts` get these features; their length is the learner's own affair.
    frozen: (views, crop) -> [view, image, n], what a frozen tower says of the first views, encoded once: the batch's
        rows of it are then the second argument of `see`, which makes them itself where views are not encoded once.
    join: (image features [batch, dim], labels [batch]) -> [image], int64, training images that join the batch behind
        its own. The loop takes their features from the cache in use, each of a random view. Called without gradients.
        Of a method that needs pixels, it gets the pixels, not what `see` makes of them.
    joins: the images that `join` names behind the training images, so that number N of N training images is its first;
        None: it names training images only.
    pair: (image features that the objective gets, and its text, if any) -> image features [batch, dim] and class
        vectors [class, dim] of one space, neither normalised, whose cosines classify; None: they are what it gets.
    scores: the same arguments -> logits [batch, class], for a learner whose class vectors are another image by image.
    """

    parameters: Tensors
    objective: Callable[..., Tensor]
    options: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    first_view: int = 0
    after_epoch: Callable[[int], None] | None = None
    finish: Callable[[], Tensors] | None = None
    prompts: Callable[[Tensor], Prompts] | None = None
    tower: TextTower | None = None
    see: Callable[..., Tensor] | None = None
    frozen: Callable[[int, tuple[float, float]], Tensor] | None = None
    join: Callable[[Tensor, Tensor], Tensor] | None = None
    joins: Split | None = None
    pair: Callable[..., tuple[Tensor, Tensor]] | None = None
    scores: Callable[..., Tensor] | None = None

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Features [batch, dim], labels [batch] -> the objective, a scalar, with its pass of the text tower.

        features: pixels, uint8 [batch, 3, size, size], of a learner that sees.
        """
        return losses([self], [features], [labels])[0]


def losses(
    learners: Sequence[Learner],
    features: Sequence[Tensor],
    labels: Sequence[Tensor],
    frozen: Sequence[Tensor | None] | None = None,
) -> list[Tensor]:
    """One batch per learner, features [batch, dim] (or pixels, see `Learner.loss`), labels [batch] -> one scalar each.

    frozen: rows of `Learner.frozen`, if any. Prompts of one kind share one pass of the text tower (`TextTower.many`).
    """
    frozen = [None] * len(learners) if frozen is None else frozen
    seen = [_seen(*batch) for batch in zip(learners, features, frozen, strict=True)]
    batches = list(zip(learners, seen, labels, strict=True))
    if not learners or not learners[0].prompts:
        return [learner.objective(f, y) for learner, f, y in batches]
    prompts = [learner.prompts(f) for learner, f, _ in batches]
    if len({learner.tower for learner in learners}) == 1:
        texts = learners[0].tower.many(prompts)
    else:  # each run has a teacher of its own, and trains prompts of its tower
        texts = [learner.tower.run(p) for learner, p in zip(learners, prompts, strict=True)]
    return [learner.objective(f, y, text) for (learner, f, y), text in zip(batches, texts, strict=True)]


def _seen(learner: Learner, features: Tensor, frozen: Tensor | None) -> Tensor:
    if learner.see is None:
        return features
    return learner.see(features) if frozen is None else learner.see(features, frozen)


class Method(Protocol):
    """Frozen hyper-parameters that know how to make a plug-in. `tensors`: the plug-in's, on the backbone's device."""

    name: ClassVar[str]
    """Its key in `METHODS`, in records and in files: "tip_adapter_f"."""

    title: ClassVar[str]
    """Its name in print: "Tip-Adapter-F"."""

    acts_on: str
    """Which part of the pipeline its plug-in changes: a key of `DEPTHS`."""

    conditioned_on: ClassVar[str] = ""
    """What its prompts are conditioned on: "class names", "images" or "" for nothing. Then `logits` takes the argument
    `condition`, which gives each class another name's condition, or each image the features of another one.
    """

    needs: str = "features"
    """"features" (cached image features), "pixels" (the image tower is changed) or "nothing" (no training)."""

    image_features: str = "projected"
    """Which image features `logits` takes: "projected" into the joint space, or "penultimate", before that."""

    class_specific: bool = False
    """Some tensors belong to single classes, so a plug-in works with the class list of its training only."""

    starts_from: "Method | None" = None
    """The method whose plug-in this one starts from; `fit` tunes it first if no `init` is given."""

    rows_of_classes: tuple[str, ...] = ()
    """Tensors with one row per class of the training, if a plug-in works with any of these classes, in any order.
    `logits` then gets the rows of its class names. A plug-in need not have all of them.
    """

    takes_teacher: bool = False
    """It learns from the answers of a teacher (see `clipcompat.fit`), and reads no labels."""

    recipe: Recipe

    def reads(self, data: Dataset) -> Dataset:
        """The part of the data that `fit` is given on which it trains: all of it."""
        return data

    def recipe_for(self, data: Dataset) -> Recipe:
        """The recipe on the data that it is trained on: `recipe` itself."""
        return self.recipe

    def setup(self, task: Task) -> Learner:
        """Parameters with their initial values, and their training."""

    def image_towers(self, tensors: Tensors, backbone: Backbone) -> Sequence[Backbone]:
        """The backbones whose image features `logits` takes, side by side: [image, tower · dim].

        `backbone` itself, or one that reads the plug-in's visual prompts (`Backbone.with_visual_prompts`).
        """
        return (backbone,)

    def tuned_on(self, classnames: Sequence[str]) -> "Method":
        """The method as a plug-in that was tuned on these classes uses it. Most methods do not ask which they were."""
        return self

    def class_weights(
        self, tensors: Tensors, backbone: Backbone, classnames: Sequence[str], template: Template
    ) -> Tensor:
        """[class, dim], unit norm; methods without such weights raise `no_class_weights`."""

    def logits(
        self, tensors: Tensors, backbone: Backbone, features: Tensor, classnames: Sequence[str], template: Template
    ) -> Tensor:
        """Image features of `image_towers`, not normalised, [image, dim] of one -> [image, class]."""

    def shapes(self, classes: int) -> Mapping[str, Shape]:
        """The tensors of a plug-in that was tuned with these settings on so many classes."""

    def lengths(self, backbone: Backbone) -> Mapping[str, int]:
        """The free lengths in `shapes` that this backbone, or its outline, decides when it is tuned on."""
        return {}

    def mismatch(self, tensors: Tensors, backbone: Backbone, classnames: Sequence[str]) -> str | None:
        """Why these tensors cannot act on this backbone and class list, or None if they can."""


def no_loss(features: Tensor, labels: Tensor) -> Tensor:
    """The objective of methods that train nothing."""
    return features.new_zeros(())
