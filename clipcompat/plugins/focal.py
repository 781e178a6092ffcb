"""Focal distillation (PCT, arXiv 2011.09161): a training on a new backbone is held to what the old plug-in had right.

    L = L_method + λ · 1/B Σ_i (α + β · [old is right on i]) · T² KL(softmax(z_i^old / T) ‖ softmax(z_i / T))

z_i^old are the old plug-in's logits of the same augmented picture, on the old backbone; z_i those in training. A
picture that old had right and new has wrong is a negative flip. MPT (arXiv 2511.08322) distils from a second, freshly
trained model too and keeps margins between old and added classes; here there is one source and no class is added.
A linear probe sees no augmented pictures: its term is of the pictures themselves, and its loss has one minimum.
The defaults are our choice.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.features.encode import side_by_side
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.plugins.plugin import Plugin
from clipcompat.training.learner import Learner, Method
from clipcompat.training.task import Task

_METHODS = (CoOp, KgCoOp, ContCoOp)  # logits are cosines with one text per class


@dataclass(frozen=True)
class FocalDistillation:
    """What `fit` holds a training to.

    plugin, backbone: the old plug-in, and the backbone that it was tuned on. weight: λ. alpha, beta: of every picture,
    and more of those that old has right. temperature: T.
    """

    plugin: Plugin
    backbone: Backbone
    weight: float = 1.0
    alpha: float = 0.0
    beta: float = 1.0
    temperature: float = 1.0

    def __post_init__(self):
        if not self.plugin.is_tuned_on(self.backbone):
            named = self.plugin.origin["backbone"]["name"]
            raise ConfigError(
                f"focal distillation needs the backbone that its plug-in was tuned on, {named}; this is "
                f"{self.backbone.name} (stamp {self.backbone.stamp})."
            )
        small = min(self.weight, self.alpha, self.beta)
        if small < 0 or self.weight * (self.alpha + self.beta) == 0 or self.temperature <= 0:
            raise ConfigError(
                "focal distillation needs weight and alpha + beta above 0, none of them negative, and a positive "
                f"temperature; these are {self.weight}, {self.alpha}, {self.beta} and {self.temperature}."
            )

    def __str__(self) -> str:
        numbers = f"weight {self.weight}, alpha {self.alpha}, beta {self.beta}, temperature {self.temperature}"
        return f"{self.plugin.stamp}, {numbers}"

    def loss(self, old: Tensor, new: Tensor, labels: Tensor) -> Tensor:
        """The second term of L, without λ: logits [batch, class] of both and labels [batch] -> a scalar."""
        log_old, log_new = ((z / self.temperature).log_softmax(-1) for z in (old, new))
        apart = F.kl_div(log_new, log_old, reduction="none", log_target=True).sum(-1)  # [batch]
        focus = self.alpha + self.beta * (old.argmax(-1) == labels)
        return self.temperature**2 * (focus * apart).mean()

    def hold(self, method: Method, learner: Learner, task: Task, views: int | None) -> Learner:
        """The learner with the second term in its objective.

        Raises:
            IncompatibleError: the method's logits are no cosines with one text per class, or new crops otherwise.
            ConfigError: the old plug-in has other classes; or views=0, so that no view is encoded beforehand.
        """
        if isinstance(method, LinearProbe):
            return learner  # its loss has the term already
        if not isinstance(method, _METHODS):
            able = ", ".join(kind.name for kind in (LinearProbe, *_METHODS))
            raise IncompatibleError(f"focal distillation holds the training of {able}, and not of {method.name}.")
        names = self._classes(task)
        if self.backbone.preprocess.min_crop != task.backbone.preprocess.min_crop:
            raise IncompatibleError(
                f"{self.backbone.name} and {task.backbone.name} crop pictures in different ways, so that old cannot "
                "answer the views that new is trained on. Hold a linear_probe, which is trained on whole pictures."
            )
        if views == 0:
            raise ConfigError("focal distillation asks the old backbone once, before training: use views of 1 or more.")
        scale = getattr(method, "tau", None)
        scale = task.backbone.logit_scale if scale is None else 1 / scale

        def see(features: Tensor, answers: Tensor) -> Tensor:
            return torch.cat([features, answers], dim=1)  # [batch, dim + class]

        def objective(seen: Tensor, labels: Tensor, text: Tensor) -> Tensor:
            features, old = seen.split([seen.shape[1] - len(names), len(names)], dim=1)
            new = cosine_logits(features, F.normalize(text, dim=-1), scale)
            return learner.objective(features, labels, text) + self.weight * self.loss(old, new, labels)

        def answers(count: int, crop: tuple[float, float]) -> Tensor:
            return self._answers(task, count, crop)

        return replace(learner, see=see, objective=objective, frozen=answers)

    def term(self, task: Task) -> Callable[[Tensor], Tensor]:
        """Logits of the training pictures in training, [image, class] -> the second term, summed over pictures."""
        self._classes(task)
        old, labels = self.plugin.logits(self.backbone, task.data.train, task.cache, task.progress), task.train_labels
        return lambda new: self.weight * len(labels) * self.loss(old.to(new), new, labels)

    def _classes(self, task: Task) -> list[str]:
        """The classes of the task, which must be the old plug-in's."""
        names = list(task.data.classnames)
        if (known := self.plugin.origin["classnames"]) != names:
            raise ConfigError(
                f"the old plug-in answers {len(known)} classes that are not the {len(names)} of {task.data.name}, in "
                "this order; give one of the same classes."
            )
        return names

    @torch.no_grad()
    def _answers(self, task: Task, count: int, crop: tuple[float, float]) -> Tensor:
        """The old plug-in's logits of the first views: [view, image, class], on the new backbone's device."""
        method, old, template = self.plugin.method, self.backbone, self.plugin.origin["template"]
        tensors = {name: t.to(old.device) for name, t in self.plugin.tensors.items()}
        towers = method.image_towers(tensors, old)
        views = [task.views(count, crop, method.image_features, tower=tower) for tower in towers]  # [view, image, dim]
        features = side_by_side([seen.flatten(0, 1).to(old.device) for seen in views])
        logits = method.logits(tensors, old, features, task.data.classnames, template)
        return logits.unflatten(0, views[0].shape[:2]).to(task.backbone.device)
