"""CoOp, context optimisation (Zhou et al. 2022, arXiv 2109.01134; KaiyangZhou/CoOp trainers/coop.py).

Equations: t_i = [v_1 … v_N, c_i] (2),  p(y = i | x) = softmax_i(cos(T(t_i), f) / tau) (1). Learned: v, the context.
Carried to a new backbone: v. Recomputed there: token embeddings of SOS, name, "." and EOT, both towers.

Deviations from the code: parameters are float32 (upstream: fp16); `ctx_init` counts tokens, not words.
`layer` > 0 is the deeper CoOp of the ContCoOp paper (its Fig. 2d), which does not specify it. Here the placeholders "X"
run through the blocks below; then v overwrites rows 1 … N of the residual stream (`insert`: adds N rows there instead).
That stream is larger than N(0, 0.02²). With `ctx_init`, v starts from what the stream of its words holds there; words
"X X … X" so start, whatever the layer, from the classifier of the prompt "X X … X name.".
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.text.input import Injection, Prompts
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import context_mismatch, tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import POSITIONS, PromptTable, start_context
from clipcompat.training.learner import Learner, Method, Shape
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task


@dataclass(frozen=True)
class CoOp(Method):
    """Learned context vectors, shared by all classes or one set per class.

    n_ctx: context tokens; ignored if ctx_init is given. ctx_init: words to start from, else N(0, 0.02²): their token
        embeddings or, for layer > 0, their hidden states right before that block of the backbone in training.
    csc: class-specific contexts [class, n_ctx, width]; such a plug-in needs the class list it was trained on.
    position: of the class name: "end", "middle", "front". layer, insert: see the module's docstring.
    """

    name: ClassVar[str] = "coop"
    title: ClassVar[str] = "CoOp"
    acts_on: ClassVar[str] = "prompts"

    n_ctx: int = 16
    ctx_init: str | None = None
    csc: bool = False
    position: str = "end"
    layer: int = 0
    insert: bool = False
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self):
        if self.n_ctx < 1:
            raise ConfigError(f"n_ctx is the number of context tokens and must be at least 1, not {self.n_ctx}.")
        if self.layer < 0:
            raise ConfigError(f"layer counts from 0, not from {self.layer}.")
        if self.position not in POSITIONS:
            raise unknown_name("class-token position", self.position, POSITIONS)
        if self.csc and self.ctx_init:
            raise ConfigError("ctx_init gives one context for all classes; drop it or set csc=False.")
        if (self.layer or self.insert) and self.position != "end":
            raise ConfigError("a context at a deeper layer, or an inserted one, has position 'end'.")

    @property
    def class_specific(self) -> bool:
        return self.csc

    def setup(self, task: Task) -> Learner:
        backbone, classnames = task.backbone, task.data.classnames
        if self.layer >= backbone.layers:
            last = backbone.layers - 1
            raise ConfigError(f"the text tower of {backbone.name} has layers 0 … {last}; layer is {self.layer}.")
        start = start_context(backbone, self.n_ctx, self.ctx_init, task.generator, self.layer)
        if self.csc:
            others = [start_context(backbone, self.n_ctx, None, task.generator) for _ in classnames[1:]]
            start = torch.stack([start, *others])
        parameters = trainable({"ctx": start}, task)
        table = self._table(backbone, classnames, start)

        def objective(features: Tensor, labels: Tensor, text: Tensor) -> Tensor:
            weights = F.normalize(text, dim=-1)
            return F.cross_entropy(cosine_logits(features, weights, backbone.logit_scale), labels)

        def prompts(features: Tensor) -> Prompts:
            return self._prompts(parameters["ctx"], table)

        return Learner(parameters, objective, prompts=prompts, tower=backbone.text)

    def class_weights(self, tensors, backbone: Backbone, classnames, template=None) -> Tensor:
        prompts = self._prompts(tensors["ctx"], self._table(backbone, classnames, tensors["ctx"]))
        return F.normalize(backbone.text.run(prompts), dim=-1)

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None) -> Tensor:
        return cosine_logits(features, self.class_weights(tensors, backbone, classnames), backbone.logit_scale)

    def shapes(self, classes: int) -> dict[str, Shape]:
        tokens = "token" if self.ctx_init else self.n_ctx
        return {"ctx": (classes, tokens, "width") if self.csc else (tokens, "width")}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        if why := context_mismatch(tensors, 2 + self.csc, backbone, self.insert):
            return why
        contexts = len(tensors["ctx"])
        if self.csc and contexts != len(classnames):
            return f"its contexts belong to {contexts} classes (csc=True), {len(classnames)} class names were given"
        if self.layer >= backbone.layers:
            return f"it acts at layer {self.layer}, the text tower of {backbone.name} has {backbone.layers}"
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    def _table(self, backbone: Backbone, classnames, ctx: Tensor) -> PromptTable:
        # inserted rows need no placeholders: below their layer the prompt is the plain one
        return PromptTable.of(backbone, classnames, 0 if self.insert else ctx.shape[-2], self.position)

    def _prompts(self, ctx: Tensor, table: PromptTable) -> Prompts:
        """[v, c_i] for every class."""
        if self.layer or self.insert:
            return table.prompts(inject=[Injection(self.layer, ctx, self.insert)])
        return table.prompts(ctx)
