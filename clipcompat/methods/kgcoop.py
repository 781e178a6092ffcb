"""KgCoOp, knowledge-guided context optimisation (Yao et al. 2023, arXiv 2303.13283; htyao89/KgCoOp trainers/kgcoop.py).

Equations: w_i = T([v_1 … v_N, c_i]),  L = CE(softmax_i cos(w_i, f) / tau) + λ · (1 − 1/C Σ_i cos(w_i, w_i^zs)).
Learned and carried: v, as in CoOp. The zero-shot weights w^zs of the old backbone are not needed after training.

The paper prints λ ‖w_i − w_i^zs‖², twice what its code computes. The default is the code's form; "l2sq" is the paper's.
Left out: the code's `meta_net` and `bias_vectors`, which it never uses. KgCoOp is ContCoOp with its attention off.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.parts.distillation import Distillation
from clipcompat.training.learner import Learner, Method, Shape
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task


@dataclass(frozen=True)
class KgCoOp(Method):
    """A context whose classifier is held near the zero-shot one.

    n_ctx, ctx_init: as in CoOp; the class name comes last. distillation: λ = 8, as in its scripts, and its own table of
    templates, which differs from CoOp's for DTD. recipe: batch 128, 100 epochs (vit_b16_ep100_ctxv1.yaml).
    """

    name: ClassVar[str] = "kgcoop"
    title: ClassVar[str] = "KgCoOp"
    acts_on: ClassVar[str] = "prompts"

    n_ctx: int = 4
    ctx_init: str | None = "a photo of a"
    distillation: Distillation = Distillation(weight=8.0, form="cosine", templates="kgcoop")
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=100, batch_size=128))

    def __post_init__(self):
        self._contcoop  # noqa: B018  runs the checks

    @property
    def _contcoop(self) -> ContCoOp:
        return ContCoOp(n_ctx=self.n_ctx, ctx_init=self.ctx_init, attention=None, distillation=self.distillation)

    def setup(self, task: Task) -> Learner:
        return self._contcoop.setup(task)

    def class_weights(self, tensors, backbone, classnames, template=None):
        return self._contcoop.class_weights(tensors, backbone, classnames)

    def logits(self, tensors, backbone, features, classnames, template=None):
        return self._contcoop.logits(tensors, backbone, features, classnames)

    def shapes(self, classes: int) -> dict[str, Shape]:
        return self._contcoop.shapes(classes)

    def mismatch(self, tensors, backbone, classnames) -> str | None:
        return self._contcoop.mismatch(tensors, backbone, classnames)
