"""The condition c_i of ContCoOp: the rows of embeddings by which the learned context sees a class.

Paper: arXiv 2412.20895, section on the class-conditioned context. It writes c_i as one row and says nothing of tokens,
templates or masks. Each switch below is a reading that this project's method notes list (6.2, #1–#5, #28).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, IncompatibleError, unknown_name
from clipcompat.methods.parts.prompts import PromptTable, readable, zero_shot_weights

POOLS = ("tokens", "mean", "first", "last", "text_feature", "none")
EXTRAS = ("sos", "period", "eot")
SOURCES = ("name", "suffix_full")


@dataclass(frozen=True)
class Condition:
    """Which rows the condition has.

    pool: "tokens" keeps one row per token of the name (default); "mean", "first", "last" make one row of them;
        "text_feature" is the text tower's output for the bare name (needs dim == width); "none" has no row, so that the
        context attends to itself alone: a control, with ContCoOp's number of parameters and without its condition.
    include: more rows: any of "sos", "period", "eot".
    source: "name", or "suffix_full": all of CoOp's suffix buffer (name, ".", EOT and the padding, unmasked).
    template: text around the name whose tokens also become rows (paper, Table 7: "a photo of a {}").
    """

    pool: str = "tokens"
    include: tuple[str, ...] = ()
    source: str = "name"
    template: str = "{}"

    def __post_init__(self):
        extras = (("include", extra, EXTRAS) for extra in self.include)
        for kind, value, known in (("pool", self.pool, POOLS), ("source", self.source, SOURCES), *extras):
            if value not in known:
                raise unknown_name(f"condition.{kind}", value, known)
        if "{}" not in self.template:
            raise ConfigError(f"condition.template needs {{}} where the class name goes; it is {self.template!r}.")
        if self.source == "suffix_full" and (self.include or self.template != "{}"):
            raise ConfigError("condition.source='suffix_full' holds every row already; drop include and template.")
        if self.pool == "text_feature" and (self.include or self.source != "name"):
            raise ConfigError("condition.pool='text_feature' is one row per class; leave include and source alone.")
        if self.pool == "none" and (self.include or self.source != "name" or self.template != "{}"):
            raise ConfigError("condition.pool='none' has no rows; leave include, source and template alone.")

    def rows(
        self, backbone: Backbone, classnames: Sequence[str], n_ctx: int, positions: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Constants of one backbone: rows [class, row, width] and mask [class, row], True where a row is real.

        positions: add the tower's positional embeddings, of the places that the rows have in the finished prompt.
        """
        if self.pool == "text_feature":
            if backbone.dim != backbone.width:
                raise IncompatibleError(
                    f"condition.pool='text_feature' needs text features as wide as token embeddings; "
                    f"{backbone.name} has {backbone.dim} and {backbone.width}."
                )
            rows = zero_shot_weights(backbone, classnames, self.template)[:, None]
            return rows, _all_real(rows)
        if self.pool == "none":
            rows = torch.zeros(len(classnames), 0, backbone.width, device=backbone.device)
            return rows, _all_real(rows)
        read = _suffix if self.source == "suffix_full" else self._tokens
        rows, mask, at = read(backbone, classnames, n_ctx)
        if positions:
            rows = rows + backbone.text.positions[at]
        return (rows, mask) if self.pool == "tokens" else _pooled(rows, mask, self.pool)

    def _tokens(self, backbone: Backbone, classnames: Sequence[str], n_ctx: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, mask, and each row's place in the finished prompt, [row]."""
        texts = [self.template.replace("{}", readable(n)) for n in classnames]
        # the name is tokenised with its period, because ")." is one token; then rows are cut to the name's length.
        # a template's own period is a row; a second period would fuse with it into ".."
        ids = backbone.tokenize([t if self.template.endswith(".") else t + "." for t in texts])  # [class, token]
        lengths = torch.tensor([len(backbone.tokenizer.encode(t)) for t in texts])[:, None]
        column, eot = torch.arange(ids.shape[1]), ids.argmax(-1)[:, None]
        places = {"sos": column == 0, "period": (column > lengths) & (column < eot), "eot": column == eot}
        mask = (column >= 1) & (column <= lengths)
        for extra in self.include:
            mask = mask | places[extra]
        at = torch.where(column > 0, column + n_ctx, 0).clamp(max=backbone.context_length - 1)
        used = mask.any(0)
        rows, mask, at = backbone.text.embed(ids[:, used]), mask[:, used], at[used]
        return rows, mask.to(backbone.device), at.to(backbone.device)


def _suffix(backbone: Backbone, classnames: Sequence[str], n_ctx: int) -> tuple[Tensor, Tensor, Tensor]:
    """CoOp's `token_suffix` with its padding, [class, context_length - 1 - n_ctx, width]; mask and places as above."""
    table = PromptTable.of(backbone, classnames, n_ctx)
    rows = table.embeddings[:, 1 + n_ctx :]
    missing = backbone.context_length - 1 - n_ctx - rows.shape[1]
    padding = backbone.text.embed(torch.zeros(1, 1, dtype=torch.int64)).expand(len(rows), missing, -1)
    rows = torch.cat([rows, padding], dim=1)
    at = torch.arange(1 + n_ctx, backbone.context_length, device=rows.device)
    return rows, _all_real(rows), at


def _pooled(rows: Tensor, mask: Tensor, pool: str) -> tuple[Tensor, Tensor]:
    """One row per class: the mean, first or last of its real rows."""
    index = torch.arange(rows.shape[1], device=rows.device)
    if pool == "mean":
        pooled = (rows * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    else:
        first = torch.where(mask, index, rows.shape[1]).argmin(1)
        last = torch.where(mask, index, -1).argmax(1)
        pooled = rows[torch.arange(len(rows), device=rows.device), first if pool == "first" else last]
    return pooled[:, None], _all_real(pooled[:, None])


def _all_real(rows: Tensor) -> Tensor:
    return torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)
