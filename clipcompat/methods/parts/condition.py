"""The condition c_i of ContCoOp: what of a class the learned context gets to see, as rows of embeddings.

Paper: arXiv 2412.20895, section on the class-conditioned context. It writes c_i as one row and says nothing of tokens,
templates or masks; the switches below are the readings, numbered as in this project's method notes (6.2, #1–#5, #28).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, IncompatibleError, unknown_name
from clipcompat.methods.parts.prompts import PromptTable, readable, zero_shot_weights

POOLS = ("tokens", "mean", "first", "last", "text_feature")
EXTRAS = ("sos", "period", "eot")
SOURCES = ("name", "suffix_full")


@dataclass(frozen=True)
class Condition:
    """Which rows the condition has.

    pool: "tokens" keeps one row a name token (default); "mean", "first", "last" make one row of them;
        "text_feature" is the text tower's output for the bare name (needs dim == width).
    include: extra rows besides the name: any of "sos", "period", "eot".
    source: "name", or "suffix_full": everything CoOp's suffix buffer holds (name, ".", EOT and all padding, unmasked).
    template: text around the name whose tokens also become rows (paper, Table 7: "a photo of a {}").
    """

    pool: str = "tokens"
    include: tuple[str, ...] = ()
    source: str = "name"
    template: str = "{}"

    def __post_init__(self):
        for kind, value, known in [("pool", self.pool, POOLS), ("source", self.source, SOURCES)]:
            if value not in known:
                raise unknown_name(f"condition.{kind}", value, known)
        for extra in self.include:
            if extra not in EXTRAS:
                raise unknown_name("condition.include", extra, EXTRAS)
        if "{}" not in self.template:
            raise ConfigError(f"condition.template needs {{}} where the class name goes; it is {self.template!r}.")
        if self.source == "suffix_full" and (self.include or self.template != "{}"):
            raise ConfigError(
                "condition.source='suffix_full' already holds every row; leave include and template alone."
            )
        if self.pool == "text_feature" and (self.include or self.source != "name"):
            raise ConfigError("condition.pool='text_feature' is one feature a class; leave include and source alone.")

    def rows(
        self, backbone: Backbone, classnames: Sequence[str], n_ctx: int, positions: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Constants of one backbone: rows [class, row, width] and mask [class, row], True where a row is real.

        positions: add the tower's positional embeddings, each row's own in the finished prompt.
        """
        if self.pool == "text_feature":
            if backbone.dim != backbone.width:
                raise IncompatibleError(
                    f"condition.pool='text_feature' needs text features as wide as token embeddings; "
                    f"{backbone.name} has {backbone.dim} and {backbone.width}."
                )
            rows = zero_shot_weights(backbone, classnames, self.template)[:, None]
            return rows, torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)
        if self.source == "suffix_full":
            rows, mask, at = _suffix(backbone, classnames, n_ctx)
        else:
            rows, mask, at = self._tokens(backbone, classnames, n_ctx)
        if positions:
            rows = rows + backbone.text.positions[at]
        return (rows, mask) if self.pool == "tokens" else _pooled(rows, mask, self.pool)

    def _tokens(self, backbone: Backbone, classnames: Sequence[str], n_ctx: int) -> tuple[Tensor, Tensor, Tensor]:
        names = [readable(n) for n in classnames]
        # the period is tokenised with the name, because after ")" the two share a token; then cut to the name's count
        texts = [self.template.replace("{}", n) for n in names]
        # (a template that brings its own period has it as a row; a second one would fuse with it into "..")
        ids = backbone.tokenize([t if self.template.endswith(".") else t + "." for t in texts])
        lengths = torch.tensor([len(backbone.tokenizer.encode(t)) for t in texts])
        column = torch.arange(ids.shape[1])
        mask = (column >= 1) & (column <= lengths[:, None])
        eot = ids.argmax(-1)[:, None]
        if "sos" in self.include:
            mask |= column == 0
        if "period" in self.include:
            mask |= (column > lengths[:, None]) & (column < eot)
        if "eot" in self.include:
            mask |= column == eot
        at = torch.where(column > 0, column + n_ctx, 0).clamp(max=backbone.context_length - 1)
        used = mask.any(0)
        rows, mask, at = backbone.text.embed(ids[:, used]), mask[:, used], at[used]
        return rows, mask.to(backbone.device), at.to(backbone.device)


def _suffix(backbone: Backbone, classnames: Sequence[str], n_ctx: int) -> tuple[Tensor, Tensor, Tensor]:
    """CoOp's `token_suffix`, padding included: [class, context_length - 1 - n_ctx, width]."""
    table = PromptTable.of(backbone, classnames, n_ctx)
    rows = table.embeddings[:, 1 + n_ctx :]
    missing = backbone.context_length - 1 - n_ctx - rows.shape[1]
    padding = backbone.text.embed(torch.zeros(1, 1, dtype=torch.int64)).expand(len(rows), missing, -1)
    rows = torch.cat([rows, padding], dim=1)
    at = torch.arange(1 + n_ctx, backbone.context_length, device=rows.device)
    return rows, torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device), at


def _pooled(rows: Tensor, mask: Tensor, pool: str) -> tuple[Tensor, Tensor]:
    """One row a class: the mean, first or last of its real rows."""
    index = torch.arange(rows.shape[1], device=rows.device)
    if pool == "mean":
        pooled = (rows * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    else:
        first = torch.where(mask, index, rows.shape[1]).argmin(1)
        last = torch.where(mask, index, -1).argmax(1)
        pooled = rows[torch.arange(len(rows), device=rows.device), first if pool == "first" else last]
    return pooled[:, None], torch.ones(len(rows), 1, dtype=torch.bool, device=rows.device)
