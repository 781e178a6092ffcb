"""What every method is: how `fit` trains one and how a plug-in asks it for logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.data.split import Dataset
from clipcompat.errors import IncompatibleError
from clipcompat.methods.recipe import Recipe

Template = str | tuple[str, ...]


@dataclass(frozen=True)
class Learner:
    """A method set up on one backbone and one dataset, ready to be trained.

    parameters: what is learned, float32, on the backbone's device.
    loss: (image features [batch, dim], not normalised; labels [batch]) -> scalar.
    options: parameter name -> extra optimiser options of its own: `lr_scale`, `weight_decay`.
    """

    parameters: Mapping[str, Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    options: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Method(Protocol):
    """Frozen hyper-parameters that know how to make a plug-in."""

    name: ClassVar[str]
    needs: ClassVar[str]
    """"features" (cached image features), "pixels" (learners with visual prompts) or "nothing" (no training)."""

    class_specific: bool
    """Some tensors belong to single classes, so a plug-in serves the class list it was tuned on and no other."""

    recipe: Recipe

    def setup(self, backbone: Backbone, data: Dataset, generator: torch.Generator, init: Any = None) -> Learner:
        """Parameters with their initial values, and the loss."""

    def class_weights(
        self, tensors: Mapping[str, Tensor], backbone: Backbone, classnames: Sequence[str], template: Template
    ) -> Tensor:
        """[class, dim], unit norm; PluginError where the method has no such thing."""

    def logits(
        self, tensors: Mapping[str, Tensor], backbone: Backbone, features: Tensor,
        classnames: Sequence[str], template: Template,
    ) -> Tensor:  # fmt: skip
        """Image features [image, dim], not normalised -> [image, class]."""

    def mismatch(self, tensors: Mapping[str, Tensor], backbone: Backbone, classnames: Sequence[str]) -> str | None:
        """Why these tensors cannot act on this backbone and class list, or None if they can."""


def cosine_logits(features: Tensor, weights: Tensor, scale: float) -> Tensor:
    """scale · cos: features [image, dim] of any norm, weights [class, dim] of unit norm -> [image, class]."""
    return scale * F.normalize(features, dim=-1) @ weights.T


def warm_start(parameters: Mapping[str, Tensor], init: Any) -> None:
    """Overwrite initial values with those of another plug-in of the same shapes, in place."""
    if init is None:
        return
    for name, parameter in parameters.items():
        given = init.tensors.get(name)
        if given is None or given.shape != parameter.shape:
            raise IncompatibleError(
                f"the plug-in given as init has {'no ' + name if given is None else f'{name} {list(given.shape)}'}; "
                f"this method starts from {name} {list(parameter.shape)}."
            )
        parameter.data.copy_(given)
