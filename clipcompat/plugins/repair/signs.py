"""The change of weights of an old plug-in, without the entries that a few labelled pictures on the new tower oppose.

Paper: GradFix (Rinaldi et al. 2025, arXiv 2510.09658; fillo-rinaldi/GradFix grad_sign/gradient_sign_common.py).

    W_new + m · D,   m = 1 where D · G < 0, else 0      D: the old change; G: gradient of the loss by W, at W_new

D is gamma B A of CLIP-LoRA, and P - P_old of ProLIP. G is the mean over all pictures (upstream also has a majority vote
of pictures, and a factor before m · D that it chooses on test pictures; here it is 1). Nothing is trained. A masked D
is not of low rank: a repaired CLIP-LoRA has the rank of the wider tower, D as its B and the identity as its A, and a
file as large as the weights that it changes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.low_rank import LowRank
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.data.pictures.decoding import decode
from clipcompat.data.split import Dataset, Images, Split
from clipcompat.features.encode import Cache, Progress, encode_split, picture
from clipcompat.methods.deep.clip_lora import CLIPLoRA
from clipcompat.methods.deep.prolip import ProLIP
from clipcompat.plugins.plugin import Plugin
from clipcompat.training.learner import Method
from clipcompat.training.task import Task

_AT_ONCE = 32  # pictures with gradients


def masked(
    plugin: Plugin,
    old: Backbone,
    new: Backbone,
    pictures: Split | Images,
    cache: Cache = None,
    progress: Progress | None = None,
) -> tuple[Method, dict[str, Tensor]]:
    """The method and tensors of the plug-in on `new`. pictures: with labels, a few of each class.

    Raises:
        IncompatibleError: the method changes no weights, or its change does not fit `new`.
        ConfigError: the pictures have no labels.
    """
    if not isinstance(plugin.method, CLIPLoRA | ProLIP):
        raise IncompatibleError(
            f"{plugin.method.name} changes no weights of a tower, so that no gradient can mask them; use another how."
        )
    if not isinstance(pictures, Split):
        raise ConfigError("how='signs' needs pictures with labels: give a Split, such as data.train, not its images.")
    if why := plugin.method.mismatch(plugin.tensors, new, pictures.classnames):
        raise IncompatibleError(f"{plugin.method.name} cannot act on {new.name}: {why}. Tune it again there.")
    tensors = {name: t.to(new.device) for name, t in plugin.tensors.items()}
    if isinstance(plugin.method, ProLIP):
        return plugin.method, _projection(plugin.method, tensors, old, new, pictures, cache, progress)
    return _attention(plugin, tensors, new, pictures)


def kept(change: Tensor, gradient: Tensor) -> Tensor:
    """The entries of a change that descend."""
    return torch.where(change * gradient < 0, change, 0.0)


def _projection(
    method: ProLIP, tensors: Mapping[str, Tensor], old: Backbone, new: Backbone, pictures: Split, cache, progress
) -> dict[str, Tensor]:
    own, _ = new.projection
    whole = method.carried == "projection"
    change = tensors["projection"] - old.projection[0].to(new.device) if whole else tensors["difference"]
    hidden = encode_split(new, pictures, cache, progress, "penultimate")
    leaf = torch.zeros_like(own, requires_grad=True)
    by_difference = replace(method, carried="difference")
    scores = by_difference.logits({"difference": leaf}, new, hidden, pictures.classnames, pictures.template)
    (gradient,) = torch.autograd.grad(F.cross_entropy(scores, pictures.labels.to(new.device)), leaf)
    found = kept(change, gradient)
    return {method.carried: own + found if whole else found}


def _attention(
    plugin: Plugin, tensors: Mapping[str, Tensor], new: Backbone, pictures: Split
) -> tuple[CLIPLoRA, dict[str, Tensor]]:
    method = plugin.method
    towers = {"text": (new.layers, new.width), "image": (new.image_layers, new.penultimate)}
    rank = max(width for _, width in towers.values())
    full = replace(method, rank=rank, alpha=rank**0.5, dropout=0.0)  # so that its factor is 1
    start: dict[str, Tensor] = {}
    for tower, (blocks, width) in towers.items():
        start[f"{tower}.down"] = torch.eye(rank, width, device=new.device).expand(blocks, 3, -1, -1).clone()
        start[f"{tower}.up"] = torch.zeros(blocks, 3, width, rank, device=new.device)
    gradients = _gradients(full, replace(plugin, method=full, tensors=start), new, pictures)
    for tower, (_, width) in towers.items():
        low = LowRank(tensors[f"{tower}.down"], tensors[f"{tower}.up"], method.alpha / method.rank**0.5)
        change, place = low.weights(), start[f"{tower}.up"]
        place[: len(change), :, :, :width] = kept(change, gradients[f"{tower}.up"][: len(change), :, :, :width])
    return full, start


def _gradients(method: CLIPLoRA, plugin: Plugin, new: Backbone, pictures: Split) -> dict[str, Tensor]:
    """Of the loss, by the tensors of the plug-in; the mean over all pictures."""
    nothing = replace(pictures, images=pictures.images.select([]), labels=pictures.labels[:0])
    data = Dataset("labelled", pictures, nothing, nothing, nothing.images)
    learner: Any = method.setup(Task(new, data, torch.Generator().manual_seed(1), init=plugin))
    jobs = [(i,) for i in range(len(pictures))]
    blocks = decode(jobs, lambda i: new.preprocess.test(picture(new, pictures, i)))
    pixels = torch.cat(list(blocks))  # uint8 [picture, 3, size, size]
    for at in range(0, len(pictures), _AT_ONCE):
        labels = pictures.labels[at : at + _AT_ONCE].to(new.device)
        loss = learner.loss(pixels[at : at + _AT_ONCE], labels) * (len(labels) / len(pictures))
        loss.backward()
    return {name: p.grad for name, p in learner.parameters.items()}
