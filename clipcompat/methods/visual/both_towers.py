"""What learners with prompts in both towers share: their text, and their test."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.text.input import Prompts
from clipcompat.common.errors import ConfigError
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import context_mismatch, tensor_mismatch
from clipcompat.methods.parts.prompts import PromptTable, start_context
from clipcompat.methods.visual.depth import check_depth, deep_layers, depth_mismatch, injections
from clipcompat.training.learner import Method, Tensors


class BothTowers(Method):
    """A method with the fields n_ctx, ctx_init and depth, and the tensors "ctx" and, above depth 1, "deep".

    "ctx" [n_ctx, width] overwrites the first tokens of the words ctx_init, "deep" [block, n_ctx, width] rows 1 … n_ctx
    before blocks 1, 2, ….
    """

    acts_on = "prompts of both towers"
    needs = "pixels"

    n_ctx: int
    ctx_init: str | None
    depth: int

    def __post_init__(self):
        check_depth(self.depth, self.n_ctx)

    def visual_prompts(self, tensors: Tensors) -> Sequence[Tensor]:
        """The prompts of the image tower, [row, penultimate] for blocks 0, 1, …."""
        raise NotImplementedError

    def start(self, backbone: Backbone, generator: torch.Generator) -> Tensor:
        """The initial "ctx", [n_ctx, width].

        Raises:
            ConfigError: ctx_init has fewer tokens than n_ctx.
        """
        ctx = start_context(backbone, self.n_ctx, self.ctx_init, generator)[: self.n_ctx]
        if len(ctx) < self.n_ctx:
            raise ConfigError(f"{self.ctx_init!r} has {len(ctx)} tokens, fewer than n_ctx={self.n_ctx}.")
        return ctx

    def table(self, backbone: Backbone, classnames: Sequence[str]) -> PromptTable:
        return PromptTable.of(backbone, classnames, self.n_ctx, words=self.ctx_init)

    def prompts(self, tensors: Tensors, table: PromptTable) -> Prompts:
        """The text of every class, with the learned vectors."""
        return table.prompts(tensors["ctx"], injections(tensors.get("deep")))

    def image_towers(self, tensors, backbone: Backbone) -> tuple[Backbone]:
        return (backbone.with_visual_prompts(self.visual_prompts(tensors)),)

    def class_weights(self, tensors, backbone: Backbone, classnames, template=None) -> Tensor:
        return F.normalize(backbone.text.run(self.prompts(tensors, self.table(backbone, classnames))), dim=-1)

    def logits(self, tensors, backbone: Backbone, features, classnames, template=None) -> Tensor:
        return cosine_logits(features, self.class_weights(tensors, backbone, classnames), backbone.logit_scale)

    def lengths(self, backbone: Backbone | Outline) -> dict[str, int]:
        return {} if backbone.no_visual_prompts else {"block": deep_layers(backbone, self.depth)}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        if why := context_mismatch(tensors, 2, backbone) or depth_mismatch(tensors, "deep", backbone):
            return why
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)
