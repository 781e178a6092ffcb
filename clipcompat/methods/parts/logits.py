"""Logits that several methods share, and the error of methods without class weights."""

from typing import NoReturn

import torch.nn.functional as F
from torch import Tensor

from clipcompat.common.errors import PluginError
from clipcompat.training.learner import Method


def cosine_logits(features: Tensor, weights: Tensor, scale: float) -> Tensor:
    """scale · cos: features [image, dim] of any norm, weights [class, dim] of unit norm -> [image, class]."""
    return scale * F.normalize(features, dim=-1) @ weights.T


def no_class_weights(method: Method, why: str) -> NoReturn:
    """Raised for methods whose classifier is not a matrix of unit vectors."""
    raise PluginError(f"{method.name} has no class weights: {why}. Use the plug-in's logits or predict.")
