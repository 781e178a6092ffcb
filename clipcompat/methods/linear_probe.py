"""Linear probe: logistic regression on frozen image features (CLIP, arXiv 2103.00020; KaiyangZhou/CoOp lpclip).

Equation: minimise Σ CE(W f + b, y) + ‖W‖² / 2C by L-BFGS from zero. It stops when no derivative of this exceeds 1e-4,
or when a step changes it by less than 2.2e-9 of max(1, its value). (Of C · Σ CE + ‖W‖² / 2, as scikit-learn writes it,
the bound would be 1e-4 · C.) So did scikit-learn's LogisticRegression up to 1.3, as when CoOp was written. Since 1.4
it minimises the mean over n images, so that the same 1e-4 allows n times larger derivatives here, and its second bound
is 1.4e-14.
Learned and carried: W and b. Recomputed: image features. The probe reads no text, so it works on a new image tower only
if that tower's channels mean the same.

C is searched as in CoOp's lpclip/linear_probe.py: the best of seven on validation images, then eight bisections of
log C between a tenth and ten times it. The last bisection's winner is the result.

Deviations: the community's few-shot draw (upstream draws its own). Penultimate features, as in the CLIP paper and as
the ContCoOp paper's numbers suggest (methods notes, section 4); CoOp's script has `features="projected"`. Two classes
have a softmax like any other number; scikit-learn fits a single vector there, which is the same at half the C.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import FEATURES, Backbone
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.methods.parts.logits import no_class_weights
from clipcompat.methods.parts.parameters import tensor_mismatch
from clipcompat.training.learner import Learner, Method, Shape, no_loss
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

_COARSE = (1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6)
_BISECTIONS = 8


@dataclass(frozen=True)
class LinearProbe(Method):
    """A linear classifier of image features, in closed form.

    features: "penultimate" or "projected". normalize: scale features to unit norm first.
    c: C, the inverse strength of the penalty; None searches it on validation images. max_iter: of L-BFGS.
    """

    name: ClassVar[str] = "linear_probe"
    title: ClassVar[str] = "linear probe"
    acts_on: ClassVar[str] = "image features"
    class_specific: ClassVar[bool] = True
    recipe: ClassVar[Recipe] = Recipe()

    features: str = "penultimate"
    normalize: bool = False
    c: float | None = None
    max_iter: int = 1000

    def __post_init__(self):
        if self.features not in FEATURES:
            raise unknown_name("features", self.features, FEATURES)
        if self.c is not None and self.c <= 0:
            raise ConfigError(f"c must be positive, not {self.c}.")
        if self.max_iter < 1:
            raise ConfigError(f"max_iter must be at least 1, not {self.max_iter}.")

    @property
    def image_features(self) -> str:
        return self.features

    def setup(self, task: Task) -> Learner:
        x, y = self._seen(task.features(task.data.train, self.features)), task.train_labels
        classes = len(task.data.classnames)
        held = None if task.focal is None else task.focal.term(task)

        def solve() -> dict[str, Tensor]:
            if self.c is not None:
                return {**logistic_regression(x, y, classes, self.c, self.max_iter, held), "c": torch.tensor(self.c)}
            task.require_validation("the probe's C")
            features, labels = task.validation(self.features)
            seen, solved = self._seen(features), {}

            def score(c: float) -> float:
                if c not in solved:  # every bisection asks again for the end that it kept
                    solved[c] = logistic_regression(x, y, classes, c, self.max_iter, held)
                hits = _linear(solved[c], seen).argmax(-1) == labels
                return float(hits.double().mean())

            c = search_c(score)
            return {**solved[c], "c": torch.tensor(c)}

        return Learner({}, no_loss, finish=solve)

    def class_weights(self, tensors, backbone: Backbone, classnames, template):
        no_class_weights(self, "its rows are no text features and have a bias")

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None) -> Tensor:
        return _linear(tensors, self._seen(features))

    def shapes(self, classes: int) -> dict[str, Shape]:
        width = "dim" if self.features == "projected" else "penultimate"
        return {"weight": (classes, width), "bias": (classes,), "c": ()}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        if self.features == "penultimate" and backbone.penultimate is None:
            return "it reads penultimate image features, and this tower has none"
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    def _seen(self, features: Tensor) -> Tensor:
        return F.normalize(features, dim=-1) if self.normalize else features


def search_c(score: Callable[[float], float]) -> float:
    """lpclip's search. score: C -> validation accuracy, called as often as upstream calls it."""
    winner = max(_COARSE, key=score)  # of equals the first
    left, right = winner * 1e-1, winner * 1e1
    for _ in range(_BISECTIONS):
        on_left, on_right = score(left), score(right)
        middle = 0.5 * (np.log10(left) + np.log10(right))
        # the better end stays and the other one moves to the middle; if they are equal, the left one stays
        if on_left < on_right:
            winner, left = right, float(10**middle)
        else:
            winner, right = left, float(10**middle)
    return winner


def _linear(tensors, features: Tensor) -> Tensor:
    return F.linear(features, tensors["weight"], tensors["bias"])


def logistic_regression(
    x: Tensor, y: Tensor, classes: int, c: float, max_iter: int, held: Callable[[Tensor], Tensor] | None = None
) -> dict[str, Tensor]:
    """W [class, width] and b [class] from features x [image, width] and labels y [image].

    held: logits [image, class] -> a convex term of the loss, summed over images; None: there is none.
    scipy's L-BFGS runs on the CPU; the loss and its gradient are computed on the features' device.
    """
    from scipy.optimize import minimize

    width = x.shape[1]
    # a float32 loss stops changing before its gradient is small; MPS has no float64
    x = x if x.device.type == "mps" else x.double()

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = torch.from_numpy(flat).to(x.device, x.dtype).view(classes, width + 1).requires_grad_()
        z = F.linear(x, w[:, :-1], w[:, -1])  # [image, class]
        loss = F.cross_entropy(z, y, reduction="sum") + w[:, :-1].pow(2).sum() / (2 * c)
        if held is not None:
            loss = loss + held(z)
        (gradient,) = torch.autograd.grad(loss, w)
        return float(loss.detach()), gradient.double().cpu().numpy().ravel()

    options = {"maxiter": max_iter, "gtol": 1e-4}
    found = minimize(objective, np.zeros(classes * (width + 1)), method="L-BFGS-B", jac=True, options=options)
    w = torch.from_numpy(found.x).to(x.device, torch.float32).view(classes, width + 1)
    return {"weight": w[:, :-1].clone(), "bias": w[:, -1].clone()}
