"""DPC, dual-prompt collaboration (Li et al. 2025, arXiv 2503.13443; JREion/DPC trainers/sple_coop.py).

Stage 1 tunes a prompt learner on the base classes: the prompt P, frozen from then on. Stage 2 clones it and trains the
clone P' on batches with hard negatives (`parts/negatives.py`):
    L_CL = (CE(Z, 1 … B') + CE(Zᵀ, 1 … B')) / 2,  Z = s · cos(f_i, T(P', y_j)),  one row an image, one column its label.
Base classes are classified with P_b = ω_b P' + (1 − ω_b) P, all other names with P_n = ω_n P' + (1 − ω_n) P.

Carried to a new backbone: P and P'. "P" stands for all tensors of the learner's plug-in, mixed element by element.
Those of the image tower are mixed, too: a learner with visual prompts sees every picture twice, with P_b and with P_n.
Over CoCoOp every image has its own class vectors: row i of Z is read with the prompts of image i, in both directions.
Over PromptKD, stage 2 trains the student on the labelled pictures of base classes. The teacher's class vectors belong
to both prompts, and stay.
Deviations of the preset "described" from the released code, which "released" follows:
* base classes are tested with P_b; the released code tests them with P' alone, whatever ω_b is;
* a batch is filled up from all classes; the released code never draws the first and, over CoOp, the last one;
* over PromptKD, the released code trains the teacher's text prompts, too, so that P' has class vectors of its own. It
  starts from random deep prompts, and an untuned copy of the teacher ranks negatives (`visual/released.py`).
Both scale the loss gradient of P' by 1 / ω_b: in the released code the mixed prompt and P' share their memory. Over
PromptKD that holds for the context of the teacher only, and "released" scales no other gradient.
Negatives come from the few-shot set; the released code reads them from a list that is not part of the release.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.config import LATER
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.data.split import Dataset, Split
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.parts.dual import InUse
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.negatives import Negatives
from clipcompat.methods.parts.stage1 import stage1_answers, stage1_tensors
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.methods.visual.released import MIXED, released_student, untuned_teacher
from clipcompat.training.learner import Learner, Method, Shape, Tensors
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

PRESETS = ("described", "released")
POOLS = ("fewshot", "full")
GRADIENTS = {"plain": 0, "inverse": -1, "inverse_square": -2}
"""How the loss gradient of P' is scaled -> the power of ω_b."""

PromptLearner = CoOp | CoCoOp | KgCoOp | ContCoOp | MaPLe | PromptSRC | PromptKD
LEARNERS = {learner.name: learner for learner in get_args(PromptLearner)}


@dataclass(frozen=True)
class DPC(Method):
    """Two prompts of one learner, one for base classes and one for all others.

    learner: what stage 1 tunes and stage 2 clones; its name stands for its default settings ("maple").
    omega_base, omega_new: ω_b and ω_n, in [0, 1].
    preset: "described" (the paper) or "released" (the code), which differ as the module's docstring says.
    top_k: how many of the stage-1 model's first classes give negatives; all classes if there are fewer.
    hard_negatives: False trains stage 2 with the learner's own loss. keep_backbone_loss: add that loss to L_CL.
    gradient: of P': "plain", times 1/ω_b ("inverse") or 1/ω_b² ("inverse_square", training the mixed prompt instead).
    recipe: of stage 2.
    dhno_pool: negatives are of the few-shot set ("fewshot"), or of all training pictures of the dataset ("full"), whose
        labels are more than the few-shot protocol allows.
    """

    name: ClassVar[str] = "dpc"
    title: ClassVar[str] = "DPC"

    learner: PromptLearner = field(default_factory=CoOp)
    omega_base: float = 0.2
    omega_new: float = 0.0
    preset: str = "described"
    top_k: int = 8
    hard_negatives: bool = True
    keep_backbone_loss: bool = False
    gradient: str = "inverse"
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=20, batch_size=4))
    dhno_pool: str = field(default="fewshot", metadata=LATER)

    def __post_init__(self):
        if isinstance(self.learner, str) and self.learner in LEARNERS:
            object.__setattr__(self, "learner", LEARNERS[self.learner]())
        if not isinstance(self.learner, PromptLearner):
            raise unknown_name("learner of dpc", str(getattr(self.learner, "name", self.learner)), LEARNERS)
        for what in ("omega_base", "omega_new"):
            if not 0 <= getattr(self, what) <= 1:
                raise ConfigError(
                    f"{what} is the weight of the parallel prompt, from 0 to 1, not {getattr(self, what)}."
                )
        for what, known in (("preset", PRESETS), ("gradient", GRADIENTS), ("dhno_pool", POOLS)):
            if getattr(self, what) not in known:
                raise unknown_name(what, getattr(self, what), known)
        if self.top_k < 1:
            raise ConfigError(f"top_k must be at least 1, not {self.top_k}.")
        if isinstance(self.learner, CoOp) and self.learner.csc:
            raise ConfigError("a context of its own for each class cannot serve new classes; drop learner.csc.")
        if self._retaught and not self.hard_negatives:
            raise ConfigError(
                f"the released code over {self.learner.name} trains texts, which the learner's own loss alone does not "
                "reach; use hard_negatives=True, or preset='described'."
            )

    @property
    def starts_from(self) -> Method:
        return self.learner

    @property
    def acts_on(self) -> str:
        return self.learner.acts_on

    @property
    def needs(self) -> str:
        return self.learner.needs

    @property
    def takes_teacher(self) -> bool:
        return self.learner.takes_teacher

    @property
    def rows_of_classes(self) -> tuple[str, ...]:
        """Those of P' are in plug-ins of the preset "released" only."""
        return tuple(f"{which}.{rows}" for which in ("stage1", "parallel") for rows in self.learner.rows_of_classes)

    @property
    def _retaught(self) -> bool:
        """Whether stage 2 trains texts of the student's teacher."""
        return self.preset == "released" and self.takes_teacher

    def reads(self, data: Dataset) -> Dataset:
        """Stage 2 reads labels, so it sees the classes whose labels a teacher has read."""
        return data.part(self.learner.teacher_classes) if self.takes_teacher else data

    def setup(self, task: Task) -> Learner:
        stage1 = stage1_tensors(self.learner, task)
        if self.omega_base == 0 and self.gradient != "plain":
            raise ConfigError(
                "gradient is scaled by 1/omega_base, which is 0; use gradient='plain', or a weight above 0."
            )
        clone = replace(self.learner, recipe=self.recipe).setup(task)  # task.init gives its initial values
        if self._retaught:
            clone = released_student(clone, task)
        factor = self.omega_base ** GRADIENTS[self.gradient]
        for name, parameter in clone.parameters.items():
            if not self._retaught or name == "text.ctx":
                parameter.register_hook(lambda gradient: gradient * factor)

        def finish() -> Tensors:
            parallel = clone.finish() if clone.finish else clone.parameters
            return _named("stage1", stage1) | _named("parallel", self._own(parallel))

        if not self.hard_negatives:
            return replace(clone, finish=finish)
        scale, pool, train = task.backbone.logit_scale, self._pool(task.data), task.data.train
        labels, before = (train.labels, 0) if pool is None else (pool.labels, len(train))
        count, released = len(task.data.classnames), self.preset == "released"
        negatives = Negatives.of(labels, count, self.top_k, released, draws_last=self.takes_teacher)
        answers = untuned_teacher(task).logits if self._retaught else stage1_answers(self.learner, stage1, task)

        def join(features: Tensor, labels: Tensor) -> Tensor:
            return before + negatives.draw(answers(features), labels, task.generator)

        def objective(features: Tensor, labels: Tensor, *text: Tensor) -> Tensor:
            if clone.scores:
                loss = _contrast(clone.scores(features, *text)[:, labels])
            else:
                image, classes = clone.pair(features, *text) if clone.pair else (features, *text)
                loss = symmetric_loss(image, F.normalize(classes, dim=-1)[labels], scale)
            if self.keep_backbone_loss:
                loss = loss + clone.objective(features, labels, *text)
            return loss

        return replace(clone, objective=objective, join=join, joins=pool, finish=finish)

    def tuned_on(self, classnames: Sequence[str]) -> InUse:
        return InUse(self, frozenset(classnames))

    def class_weights(self, tensors, backbone: Backbone, classnames, template=None) -> Tensor:
        return self.tuned_on(classnames).class_weights(tensors, backbone, classnames, template)

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None) -> Tensor:
        return self.tuned_on(classnames).logits(tensors, backbone, features, classnames, template)

    def mixed(self, tensors: Tensors, base: bool) -> dict[str, Tensor]:
        """The learner's tensors for base classes (P_b), or for all others (P_n)."""
        weight = self.omega_new
        if base:
            weight = 1.0 if self.preset == "released" else self.omega_base
        first, parallel = self._prompts(tensors)
        mixed = {name: weight * parallel[name] + (1 - weight) * first[name] for name in first}
        if self._retaught and not base:
            mixed |= {name: tensor for name, tensor in first.items() if name not in MIXED}
        return mixed

    def image_towers(self, tensors, backbone: Backbone) -> tuple[Backbone, ...]:
        """With P_b and with P_n; a learner of text prompts has one tower for both."""
        sides = [self.learner.image_towers(self.mixed(tensors, base), backbone) for base in (True, False)]
        return tuple(dict.fromkeys(tower for towers in sides for tower in towers))

    def shapes(self, classes: int) -> dict[str, Shape]:
        own = self.learner.shapes(classes)
        return _named("stage1", own) | _named("parallel", self._own(own))

    def lengths(self, backbone: Backbone) -> Mapping[str, int]:
        return self.learner.lengths(backbone)

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        found = (self.learner.mismatch(prompt, backbone, classnames) for prompt in self._prompts(tensors))
        return next((why for why in found if why), None)

    def _prompts(self, tensors: Tensors) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """All tensors of P, and of P'."""
        first, parallel = (_part(tensors, which) for which in ("stage1", "parallel"))
        return first, {name: t for name, t in first.items() if name in self.learner.rows_of_classes} | parallel

    def _own(self, tensors: Mapping) -> dict:
        """Those that each of the two prompts has for itself: not the rows of classes, unless they are trained."""
        shared = () if self._retaught else self.learner.rows_of_classes
        return {name: tensor for name, tensor in tensors.items() if name not in shared}

    def _pool(self, data: Dataset) -> Split | None:
        """Where negatives come from, if not from the few-shot set."""
        if self.dhno_pool == "full" and data.pool is None:
            raise ConfigError(
                f"{data.name} does not say which training pictures it was drawn from, so negatives cannot come from "
                "all of them: load it with load_dataset, or use dhno_pool='fewshot'."
            )
        return data.pool if self.dhno_pool == "full" else None


def symmetric_loss(features: Tensor, text: Tensor, scale: float) -> Tensor:
    """L_CL: features [row, dim] of any norm, text [row, dim] of unit norm, row i of both belongs together -> a scalar.

    Two images of one class have equal text rows and contradict each other, here as in the released code.
    """
    return _contrast(cosine_logits(features, text, scale))


def _contrast(logits: Tensor) -> Tensor:
    """Logits [row, row], whose row i belongs to column i -> a scalar."""
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def _named(which: str, tensors: Mapping[str, Tensor | Shape]) -> dict:
    return {f"{which}.{name}": tensor for name, tensor in tensors.items()}


def _part(tensors: Tensors, which: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{which}."): t for name, t in tensors.items() if name.startswith(f"{which}.")}
