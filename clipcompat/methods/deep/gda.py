"""GDA, Gaussian discriminant analysis beside the zero-shot classifier (Wang et al. 2024, arXiv 2402.04087;
mrflogs/ICLR24 main_few_shots.py).

Equations: every class is a Gaussian N(μ_c, Σ) of image features f of unit norm; Σ is shared. All c are equally likely.

    Λ = d · ((n − 1) Σ + tr(Σ) I)⁺                          n pictures, d channels; Σ of the centred pictures
    w_c = Λ μ_c,   b_c = −log C − μ_cᵀ Λ μ_c / 2,   logits = s · f w^zs + α (f w + b)

Nothing is trained by gradients. Learned and carried: w, b and α. Recomputed: the zero-shot classifier w^zs and f.
The n pictures are ten augmented passes over the few-shot set, each pass of it a picture of its own.

Upstream's defects: on ImageNet α is chosen on *test* pictures (protocol="official" does so there and must be given
them); a class without a picture gives NaN; the accuracies of all α must be above 0, or α stays 0.1.
Deviations: Σ and its inverse are float64 on the CPU (upstream: the tower's type, on a GPU).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError
from clipcompat.methods.parts.logits import cosine_logits, no_class_weights
from clipcompat.methods.parts.parameters import tensor_mismatch
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.methods.parts.protocol import NO_VALIDATION, OFFICIAL, VALIDATION, check_protocol
from clipcompat.training.learner import Learner, Method, Shape, Tensors, no_loss
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

ALPHAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Tried for α; of equals the first wins."""


@dataclass(frozen=True)
class GDA(Method):
    """A discriminant in closed form, added to the zero-shot logits.

    alpha: its weight if nothing is searched (0.1: the code's value before its search). passes: augmented views of each
        picture. scale: s; None is the backbone's.
    protocol: "validation" searches α on validation pictures, "no-validation" keeps `alpha`, "official": see the module.
    recipe: only its random crops are used.
    """

    name: ClassVar[str] = "gda"
    title: ClassVar[str] = "GDA"
    acts_on: ClassVar[str] = "image features"
    class_specific: ClassVar[bool] = True

    alpha: float = 0.1
    passes: int = 10
    scale: float | None = 100.0
    protocol: str = VALIDATION
    recipe: Recipe = Recipe(crop=(0.5, 1.0))

    def __post_init__(self):
        check_protocol(self.protocol, (NO_VALIDATION, VALIDATION, OFFICIAL))
        if not 1 <= self.passes <= 10_000:
            raise ConfigError(f"passes must be from 1 to 10,000, not {self.passes}.")
        if not 0 <= self.alpha <= 1e30:
            raise ConfigError(f"alpha must be 0 or more, not {self.alpha}.")
        if self.scale is not None and self.scale <= 0:
            raise ConfigError(f"scale must be positive, not {self.scale}.")

    def setup(self, task: Task) -> Learner:
        on_test = self.protocol == OFFICIAL and task.data.name.startswith("imagenet")
        if self.protocol != NO_VALIDATION and not on_test:
            task.require_validation("the discriminant's weight (alpha)")

        def solve() -> dict[str, Tensor]:
            views = task.views(self.passes, self.recipe.crop_for(task.data.name))  # [view, image, dim]
            labels = task.train_labels.repeat(len(views))
            found = discriminant(F.normalize(views.flatten(0, 1), dim=-1), labels, len(task.data.classnames))
            found = {name: value.to(task.backbone.device) for name, value in found.items()}
            if self.protocol == NO_VALIDATION:
                return found | {"alpha": torch.tensor(self.alpha)}
            split = task.select_on if on_test else task.data.val
            features, labels = task.features(split), split.labels.to(task.backbone.device)
            zero_shot = zero_shot_weights(task.backbone, task.data.classnames, task.data.train.template)
            tried = [found | {"alpha": torch.tensor(alpha)} for alpha in ALPHAS]
            scores = [self._scores(t, features, zero_shot, task.backbone) for t in tried]
            hits = torch.stack([(s.argmax(-1) == labels).sum() for s in scores])
            return tried[int(hits.argmax())]

        return Learner({}, no_loss, finish=solve)

    def class_weights(self, tensors, backbone: Backbone, classnames, template):
        no_class_weights(self, "its discriminant has a bias for every class")

    def logits(self, tensors, backbone: Backbone, features, classnames, template) -> Tensor:
        return self._scores(tensors, features, zero_shot_weights(backbone, classnames, template), backbone)

    def shapes(self, classes: int) -> dict[str, Shape]:
        return {"weight": (classes, "dim"), "bias": (classes,), "alpha": ()}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    def _scores(self, tensors: Tensors, features: Tensor, zero_shot: Tensor, backbone: Backbone) -> Tensor:
        scale = backbone.logit_scale if self.scale is None else self.scale
        own = F.linear(F.normalize(features, dim=-1), tensors["weight"], tensors["bias"])
        return cosine_logits(features, zero_shot, scale) + tensors["alpha"] * own


def discriminant(features: Tensor, labels: Tensor, classes: int) -> dict[str, Tensor]:
    """w [class, dim] and b [class], float32, from features [picture, dim] of unit norm and labels [picture]."""
    x, y = features.double().cpu(), labels.cpu()
    n, d = x.shape
    means = torch.stack([x[y == c].mean(0) for c in range(classes)])  # [class, dim]
    covariance = (x - means[y]).T.cov()
    precision = d * torch.linalg.pinv((n - 1) * covariance + covariance.trace() * torch.eye(d, dtype=x.dtype))
    weight = means @ precision
    bias = -torch.tensor(float(classes)).log() - (weight * means).sum(-1) / 2
    return {"weight": weight.float(), "bias": bias.float()}
