"""ZS-LP and CLAP: linear probes that start from the zero-shot classifier (Silva-Rodríguez et al. 2024, arXiv
2312.12730; jusiro/CLAP trainers/adapters.py).

Equations: logits = s · cos(w_c, f). w starts from the text features t_c, not normalised, the mean of several templates.
ZS-LP: L = CE.  CLAP: L = CE + 1/C Σ_c λ_c ‖w_c − t_c‖², with λ_c the mean zero-shot probability of class c on the
few-shot pictures that are of it: a class that CLIP knows is held near to what it knows.
CLAP is the augmented Lagrangian whose first multipliers are kept. `multipliers="adaptive"` goes on with it: after every
epoch λ_c ← max(0, λ_c + ρ_c h_c) with h_c = ‖w_c − t_c‖², then ρ_c ← h_c; ρ starts from 0.
Learned and carried: w [class, dim]. Recomputed: image features. Neither reads the text of a new backbone.

Upstream's defects: the published scripts never run the outer steps of the Lagrangian ("l2" does not name them, and the
code asks for "adaptative"); every step measures the test set, though it selects nothing there; the adapters that it
compares with are searched on *test* pictures. Below 256 training pictures its batch repeats them in several views.
Deviations: views are those of our loop (upstream: 20 per picture, pooled and drawn from); λ is of 20 views, as there.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.methods.parts.protocol import NO_VALIDATION, VALIDATION, BestEpoch, check_protocol
from clipcompat.training.learner import Learner, Method, Shape
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

MULTIPLIERS = ("fixed", "adaptive")


def _recipe() -> Recipe:
    return Recipe(lr=0.1, weight_decay=0.0, epochs=300, batch_size=256)


@dataclass(frozen=True)
class ZSLP(Method):
    """A classifier of cosines that starts from the text features.

    protocol: "no-validation" keeps the last epoch, as upstream; "validation" the best one on validation pictures.
    recipe: SGD_lr1e-1_B256_ep300.yaml.
    """

    name: ClassVar[str] = "zs_lp"
    title: ClassVar[str] = "ZS-LP"
    acts_on: ClassVar[str] = "image features"
    class_specific: ClassVar[bool] = True

    protocol: str = NO_VALIDATION
    recipe: Recipe = field(default_factory=_recipe)

    def __post_init__(self):
        check_protocol(self.protocol)

    def setup(self, task: Task) -> Learner:
        return self._learner(task, _start(task))

    def class_weights(self, tensors, backbone: Backbone, classnames, template=None) -> Tensor:
        return F.normalize(tensors["weight"], dim=-1)

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None) -> Tensor:
        return cosine_logits(features, self.class_weights(tensors, backbone, classnames), backbone.logit_scale)

    def shapes(self, classes: int) -> dict[str, Shape]:
        return {"weight": (classes, "dim")}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    def _learner(self, task: Task, start: Tensor, pull: "_Pull | None" = None) -> Learner:
        """pull: the penalty, or None."""
        backbone = task.backbone
        parameters = trainable({"weight": start.clone()}, task)

        def logits(tensors, features: Tensor) -> Tensor:
            return self.logits(tensors, backbone, features, task.data.classnames)

        def loss(features: Tensor, labels: Tensor) -> Tensor:
            value = F.cross_entropy(logits(parameters, features), labels)
            return value if pull is None else value + pull(parameters["weight"])

        best = BestEpoch(task, parameters, logits) if self.protocol == VALIDATION else None

        def after_epoch(epoch: int) -> None:
            if pull is not None:
                pull.outer_step(parameters["weight"])
            if best is not None:
                best.look(epoch)

        return Learner(parameters, loss, after_epoch=after_epoch, finish=lambda: best.tensors if best else parameters)


@dataclass(frozen=True)
class CLAP(ZSLP):
    """ZS-LP, with every class held near its text feature as far as CLIP knows the class.

    multipliers: "fixed", as published, or "adaptive": see the module. passes: augmented views of each picture on which
    the first multipliers are measured.
    """

    name: ClassVar[str] = "clap"
    title: ClassVar[str] = "CLAP"

    multipliers: str = "fixed"
    passes: int = 20

    def __post_init__(self):
        super().__post_init__()
        if self.multipliers not in MULTIPLIERS:
            raise unknown_name("kind of multipliers", self.multipliers, MULTIPLIERS)
        if not 1 <= self.passes <= 10_000:
            raise ConfigError(f"passes must be from 1 to 10,000, not {self.passes}.")

    def setup(self, task: Task) -> Learner:
        start = _start(task)
        views = task.views(self.passes, self.recipe.crop_for(task.data.name)).flatten(0, 1).to(start.device)
        logits = cosine_logits(views, F.normalize(start, dim=-1), task.backbone.logit_scale)
        return self._learner(
            task, start, _Pull(start, known(logits, task.train_labels), self.multipliers == "adaptive")
        )


class _Pull:
    """1/C Σ_c λ_c ‖w_c − t_c‖²."""

    def __init__(self, start: Tensor, multipliers: Tensor, adaptive: bool):
        self._start, self._multipliers, self._adaptive = start, multipliers, adaptive
        self._penalty = torch.zeros_like(multipliers)  # ρ

    def __call__(self, weight: Tensor) -> Tensor:
        return (self._multipliers * self._distances(weight)).mean()

    @torch.no_grad()
    def outer_step(self, weight: Tensor) -> None:
        """In place, because a recorded step of the training loop reads the same memory."""
        if self._adaptive:
            distances = self._distances(weight)
            self._multipliers.add_(self._penalty * distances).clamp_(min=0)
            self._penalty.copy_(distances)

    def _distances(self, weight: Tensor) -> Tensor:
        return (weight - self._start).pow(2).sum(-1)  # [class]


def known(logits: Tensor, labels: Tensor) -> Tensor:
    """λ: mean probability of a class on its own pictures, [class].

    logits: zero-shot, [view · image, class], view by view. labels: [image].
    """
    classes = logits.shape[1]
    labels = labels.repeat(len(logits) // len(labels))
    own = logits.softmax(-1).gather(1, labels[:, None])[:, 0]  # [view · image]
    sums = torch.zeros(classes, device=logits.device).index_add(0, labels, own)
    return sums / torch.bincount(labels, minlength=classes)


def _start(task: Task) -> Tensor:
    """t [class, dim], not normalised."""
    return zero_shot_weights(task.backbone, task.data.classnames, task.data.train.template, normalize=False)
