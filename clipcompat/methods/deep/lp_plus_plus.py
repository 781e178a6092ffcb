"""LP++, a linear probe beside a scaled text classifier (Huang et al. 2024, arXiv 2404.02285;
FereshteShakeri/FewShot-CLIP-Strong-Baseline methods/linear_probe_p2.py).

Equations: logits_c = w_c f + b_c + α_c t_c f, with f and the text features t_c of unit norm; K shots, n pictures.

    w_c starts from the sum of its pictures' f, b from U(±1/√d), every α from 250 · mean over classes of its mean t_c f
    300 steps on all pictures at once: (w, b) ← SGD with momentum 0.9 and the rate 4 n / λ_max(Fᵀ F);
    every tenth step also α ← α − n / (4 max_c Σ_i (t_c f_i)²) · gradient

The rates follow from the pictures, so there is none to tune. The result is the step of most hits on validation
pictures, of equals the last (protocol "validation", as upstream); "no-validation" takes the last step.
Learned and carried: w, b and α. Recomputed: t and f.

Upstream's defects: its optimiser does not know α, so α's gradient is never cleared: a step of α takes the sum of all
gradients since the start (`alpha_gradient="summed"`, the published numbers; "present" is the paper's equation). "Views"
of training pictures: one. It runs in half precision. With a class without pictures the classes are miscounted.
Deviations: float32, so that ties of validation accuracy may fall otherwise.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.methods.parts.logits import no_class_weights
from clipcompat.methods.parts.parameters import linear_default, tensor_mismatch
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.methods.parts.protocol import VALIDATION, BestEpoch, check_protocol
from clipcompat.training.learner import Learner, Method, Shape, Tensors, no_loss
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

ALPHA_GRADIENTS = ("summed", "present")
_START, _MOMENTUM, _EVERY = 250.0, 0.9, 10


@dataclass(frozen=True)
class LPPlusPlus(Method):
    """A linear probe, and a learned weight of the text feature for every class.

    steps: over all pictures at once. alpha_gradient, protocol: see the module. recipe: only its random crops are used.
    """

    name: ClassVar[str] = "lp_plus_plus"
    title: ClassVar[str] = "LP++"
    acts_on: ClassVar[str] = "image features"
    class_specific: ClassVar[bool] = True

    steps: int = 300
    alpha_gradient: str = "summed"
    protocol: str = VALIDATION
    recipe: Recipe = Recipe(crop=(0.5, 1.0))

    def __post_init__(self):
        check_protocol(self.protocol)
        if self.alpha_gradient not in ALPHA_GRADIENTS:
            raise unknown_name("gradient of alpha", self.alpha_gradient, ALPHA_GRADIENTS)
        if not 1 <= self.steps <= 10**9:
            raise ConfigError(f"steps must be at least 1, not {self.steps}.")

    def setup(self, task: Task) -> Learner:
        if self.protocol == VALIDATION:
            task.require_validation("the step that is kept")
        return Learner({}, no_loss, finish=lambda: self._solve(task))

    def class_weights(self, tensors, backbone: Backbone, classnames, template):
        no_class_weights(self, "its classifier has a bias for every class")

    def logits(self, tensors, backbone: Backbone, features, classnames, template) -> Tensor:
        return _scores(tensors, F.normalize(features, dim=-1), zero_shot_weights(backbone, classnames, template))

    def shapes(self, classes: int) -> dict[str, Shape]:
        return {"weight": (classes, "dim"), "bias": (classes,), "alpha": (classes,)}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    @torch.no_grad()
    def _solve(self, task: Task) -> Tensors:
        backbone, data = task.backbone, task.data
        views = task.views(1, self.recipe.crop_for(data.name))
        f = F.normalize(views[0].to(backbone.device), dim=-1)  # [image, dim]
        wanted = F.one_hot(task.train_labels, len(data.classnames)).float()  # [image, class]
        text = zero_shot_weights(backbone, data.classnames, data.train.template)
        similar = f @ text.T  # [image, class]
        bias = linear_default(len(text), f.shape[1], task.generator, bias=True).to(backbone.device)
        tensors = {"weight": wanted.T @ f, "bias": bias, "alpha": start_alpha(similar, wanted)}
        rate, alpha_rate = rates(f, similar)
        best = None
        if self.protocol == VALIDATION:
            best = BestEpoch(task, tensors, lambda t, x: _scores(t, F.normalize(x, dim=-1), text))
        speed = {name: torch.zeros_like(tensors[name]) for name in ("weight", "bias")}
        summed = torch.zeros_like(tensors["alpha"])
        for step in range(1, self.steps + 1):
            error = (_scores(tensors, f, text).softmax(-1) - wanted) / len(f)  # the gradient of CE, [image, class]
            gradients = {"weight": error.T @ f, "bias": error.sum(0)}
            own = (error * similar).sum(0)
            summed = summed + own if self.alpha_gradient == "summed" else own
            for name, gradient in gradients.items():
                speed[name] = _MOMENTUM * speed[name] + gradient
                tensors[name] -= rate * speed[name]
            if step % _EVERY == 0:
                tensors["alpha"] -= alpha_rate * summed
            if best:
                best.look(step)
        return best.tensors if best else tensors


def start_alpha(similar: Tensor, wanted: Tensor) -> Tensor:
    """The initial α, the same for all classes: [class]. similar: t f, wanted: one-hot labels, both [image, class]."""
    own = (similar * wanted).sum(0) / wanted.sum(0)  # [class]
    return (_START * own.mean()).expand(len(own)).clone()


def rates(f: Tensor, similar: Tensor) -> tuple[Tensor, Tensor]:
    """The rates of (w, b) and of α, scalars. f: [image, dim], unit norm. similar: t f, [image, class]."""
    largest = torch.linalg.matrix_norm(f, ord=2) ** 2  # of the eigenvalues of Fᵀ F
    return 4 * len(f) / largest, len(f) / (4 * similar.pow(2).sum(0).max())


def _scores(tensors: Tensors, f: Tensor, text: Tensor) -> Tensor:
    """f: [image, dim] and text: [class, dim], of unit norm -> [image, class]."""
    return F.linear(f, tensors["weight"] + tensors["alpha"][:, None] * text, tensors["bias"])
