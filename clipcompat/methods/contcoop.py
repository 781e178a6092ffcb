"""ContCoOp: context conditioned on the class, made to survive an upgrade (arXiv 2412.20895; no public code).

Equations, in the paper's letters (N context tokens, D channels, C classes):

    X_i = [p; c_i],  Q = X W_Q,  K = X W_K,  V = X W_V                       p: context, [N, D]; c_i: condition, rows
    O = softmax(Q Kᵀ / √D) V W_O,   Attn(p, c_i) = first N rows of O
    p(c_i) = p + Attn(p, c_i),      w_i = T([p(c_i), c_i])                   T: text tower, w_i normalised
    L = CE(softmax_i cos(w_i, f) / tau) + λ · 1/C Σ_i ‖w_i − w_i^zs‖₂        w^zs: zero-shot weights of the old backbone

Learned and carried: p and W_Q, W_K, W_V, W_O; c_i is read from the token table of whatever backbone is in use.

Computed differently, with the same result: only the N context rows are queries, because no other row of O is used.
Where the paper is silent, defaults follow this project's method notes (6.2), and every other reading is a switch.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.text.input import Prompts
from clipcompat.common.errors import ConfigError
from clipcompat.methods.parts.attention import Attention, attend
from clipcompat.methods.parts.condition import Condition
from clipcompat.methods.parts.distillation import Distillation
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import context_mismatch, tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import PromptTable, start_context
from clipcompat.training.learner import Learner, Method, Shape, Template
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task


@dataclass(frozen=True)
class ContCoOp(Method):
    """Context tokens that attend to the class they describe, distilled towards zero-shot weights.

    n_ctx, ctx_init: as in CoOp; the class name comes last. attention: None uses p itself (the paper's ablation "Attn
    off": CoOp with distillation). tau: None takes the backbone's stored scale; 0.01 is the paper's constant.
    """

    name: ClassVar[str] = "contcoop"
    title: ClassVar[str] = "ContCoOp"
    acts_on: ClassVar[str] = "prompts"
    conditioned_on: ClassVar[str] = "class names"

    n_ctx: int = 16
    ctx_init: str | None = None
    attention: Attention | None = field(default_factory=Attention)
    condition: Condition = field(default_factory=Condition)
    distillation: Distillation = field(default_factory=Distillation)
    tau: float | None = None
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self):
        if self.n_ctx < 1:
            raise ConfigError(f"n_ctx is the number of context tokens and must be at least 1, not {self.n_ctx}.")
        if self.tau is not None and self.tau <= 0:
            raise ConfigError(f"tau is a temperature and must be positive, not {self.tau}.")

    def setup(self, task: Task) -> Learner:
        backbone, data, generator = task.backbone, task.data, task.generator
        context = start_context(backbone, self.n_ctx, self.ctx_init, generator)
        attention = self.attention.parameters(backbone.width, generator) if self.attention else {}
        options = {name: self.attention.options for name in attention}
        parameters = trainable({"ctx": context, **attention}, task)
        constants = self._constants(backbone, data.classnames, len(context))
        target = self.distillation.target(backbone, data) if self.distillation.weight else None

        def objective(features: Tensor, labels: Tensor, text: Tensor) -> Tensor:
            logits = cosine_logits(features, F.normalize(text, dim=-1), self._scale(backbone))
            value = F.cross_entropy(logits, labels)
            if target is not None:
                value = value + self.distillation.weight * self.distillation.distance(text, target)
            return value

        def prompts(features: Tensor) -> Prompts:
            return self._prompts(parameters, backbone, *constants)

        return Learner(parameters, objective, options, prompts=prompts, tower=backbone.text)

    def class_weights(
        self, tensors, backbone: Backbone, classnames, template: Template | None = None, condition=None
    ) -> Tensor:
        """condition: for each class the name that its context attends to, a control; None: its own."""
        constants = self._constants(backbone, classnames, len(tensors["ctx"]), condition)
        return F.normalize(backbone.text.run(self._prompts(tensors, backbone, *constants)), dim=-1)

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None, condition=None) -> Tensor:
        weights = self.class_weights(tensors, backbone, classnames, condition=condition)
        return cosine_logits(features, weights, self._scale(backbone))

    def shapes(self, classes: int) -> dict[str, Shape]:
        maps = self.attention.shapes if self.attention else {}
        return {"ctx": ("token" if self.ctx_init else self.n_ctx, "width"), **maps}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        shapes = self.shapes(len(classnames))
        if why := context_mismatch(tensors, 2, backbone) or tensor_mismatch(tensors, shapes, backbone):
            return why
        if self.attention and backbone.width % self.attention.heads:
            return f"its {self.attention.heads} heads do not divide the text tower, which is {backbone.width} wide"
        if self.attention and self.condition.pool == "text_feature" and backbone.dim != backbone.width:
            return f"its condition is a text feature, which in {backbone.name} is not as wide as a token embedding"
        return None

    def _scale(self, backbone: Backbone) -> float:
        return backbone.logit_scale if self.tau is None else 1 / self.tau

    def _constants(self, backbone: Backbone, classnames, n_ctx: int, condition=None):
        rows = None
        if self.attention:
            rows = self.condition.rows(backbone, condition or classnames, n_ctx, self.attention.pos)
        return PromptTable.of(backbone, classnames, n_ctx), rows

    def _prompts(self, parameters, backbone: Backbone, table: PromptTable, condition) -> Prompts:
        """[p(c_i), c_i] for every class."""
        context = parameters["ctx"]  # [n_ctx, width]
        if self.attention:
            # rows of the finished prompt: SOS is row 0, the context 1 … N, the name follows
            seen = context + backbone.text.positions[1 : 1 + len(context)] if self.attention.pos else context
            change = attend(self.attention, parameters, seen, *condition)  # [class, n_ctx, width]
            context = context + change if self.attention.residual else change
        return table.prompts(context)
