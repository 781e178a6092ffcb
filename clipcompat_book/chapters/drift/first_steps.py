"""How far CoOp's first step moves a context at each layer, and the learning rates that make these steps equal.

steps = first_steps(backbone, data)
steps[HIDDEN][3].share(lr=0.002)    # 6e-8: the step divided by the context, both as norms
equal_rates([steps, …])             # {NOISE: {0: 0.002, 1: …}, HIDDEN: {…}}: those of the study "depth"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.data.split import Dataset
from clipcompat.methods.coop import CoOp
from clipcompat.methods.parts.prompts import context_states
from clipcompat.training.task import Task
from clipcompat_book.chapters.drift.depth import HIDDEN, NOISE

PLACEHOLDERS = " ".join(["X"] * 16)
_STARTS = {NOISE: None, HIDDEN: PLACEHOLDERS}


@dataclass(frozen=True)
class FirstStep:
    """A context [n_ctx, width] before training.

    context, gradient: norms of all its numbers and of the gradient of the loss. stream: the norm of what it replaces,
    the placeholders' rows in the residual stream right before the layer; at layer 0 with positions.
    """

    context: float
    gradient: float
    stream: float

    def share(self, lr: float) -> float:
        """The norm of the first step of SGD, divided by that of the context."""
        return lr * self.gradient / self.context

    @property
    def pull(self) -> float:
        """By how much the loss changes if the context moves by its own norm along the gradient, to first order."""
        return self.gradient * self.context


Steps = Mapping[str, Mapping[int, FirstStep]]
"""Start (`NOISE`, `HIDDEN`) -> layer -> its first step."""


def first_steps(backbone: Backbone, data: Dataset, seed: int = 1) -> Steps:
    """Of both starts at every layer, on all training images without augmentation. Nothing is trained."""
    found: dict[str, dict[int, FirstStep]] = {}
    for start, words in _STARTS.items():
        found[start] = {}
        for layer in range(backbone.layers):
            task = Task(backbone, data, torch.Generator().manual_seed(seed), seed)
            learner = replace(CoOp(), layer=layer, ctx_init=words).setup(task)
            loss = learner.loss(task.features(data.train), task.train_labels)
            (gradient,) = torch.autograd.grad(loss, learner.parameters["ctx"])
            stream = context_states(backbone, PLACEHOLDERS, layer)
            norms = (learner.parameters["ctx"].detach(), gradient, stream)
            found[start][layer] = FirstStep(*(float(t.norm()) for t in norms))
    return found
