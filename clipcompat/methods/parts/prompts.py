"""Class names as prompts: templates filled in, zero-shot classifiers, and embeddings with room for a context.

Source of the layouts in `PromptTable`: CoOp (arXiv 2109.01134, KaiyangZhou/CoOp trainers/coop.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.text.input import Injection, Prompts
from clipcompat.backbones.text.tower import TextTower
from clipcompat.common.errors import ConfigError, unknown_name

POSITIONS = ("end", "middle", "front")


def readable(name: str) -> str:
    """A class name as it is tokenised: underscores become spaces, as in CoOp."""
    return name.replace("_", " ")


def zero_shot_weights(
    backbone: Backbone, classnames: Sequence[str], template: str | Sequence[str], normalize: bool = True
) -> Tensor:
    """CLIP's text classifier without training: [class, dim], unit norm.

    Text features are normalised, averaged over templates and normalised again (CLIP, Tip-Adapter).
    normalize: False averages the tower's raw outputs instead.
    """
    templates = [template] if isinstance(template, str) else list(template)
    if not templates or any("{}" not in t for t in templates):
        raise ConfigError(f"a template needs {{}} where the class name goes; this is {templates}.")
    names = _names(classnames)
    encode = backbone.encode_text if normalize else backbone.text_features
    weights = torch.stack([encode([t.replace("{}", n) for n in names]) for t in templates]).mean(0)
    return F.normalize(weights, dim=-1) if normalize else weights


@dataclass(frozen=True, eq=False)
class PromptTable:
    """The constant part of `[SOS] [context] [name] . [EOT]` for every class, in the tokens of one backbone.

    ids: [class, token]; tokens 1 … n_ctx are placeholders, which `fill` and `prompts` replace.
    order: [class, token], from which token each row of the finished prompt comes; None for position "end".
        end     [SOS] [context] [name] . [EOT]
        middle  [SOS] [first n_ctx // 2] [name] [the rest of the context] . [EOT]
        front   [SOS] [name] [context] . [EOT]
    eot: [class], row of EOT, the same for all three positions.
    prefix: number of rows before the name: SOS and the context that precedes it.
    tower: reads the prompts.
    """

    ids: Tensor
    eot: Tensor
    order: Tensor | None
    n_ctx: int
    prefix: int
    tower: TextTower
    _layouts: dict = field(default_factory=dict, repr=False)

    @staticmethod
    def of(
        backbone: Backbone, classnames: Sequence[str], n_ctx: int, position: str = "end", words: str | None = None
    ) -> "PromptTable":
        """words: literal ones before every name at position "end"; their first n_ctx tokens are the placeholders."""
        if position not in POSITIONS:
            raise unknown_name("class-token position", position, POSITIONS)
        check_context(backbone, n_ctx)
        names = _names(classnames)
        leading = [readable(words)] if words else ["X"] * n_ctx
        ids = backbone.tokenize([" ".join([*leading, name + "."]) for name in names])
        order, before = None, {"end": n_ctx, "middle": n_ctx // 2, "front": 0}[position]
        if position != "end":
            rows, columns = [], list(range(ids.shape[1]))
            for name in names:
                end = 1 + n_ctx + len(backbone.tokenizer.encode(name))  # of the name
                sos_context, rest = columns[: 1 + before], columns[1 + before : 1 + n_ctx]
                rows.append(sos_context + columns[1 + n_ctx : end] + rest + columns[end:])
            order = torch.tensor(rows, device=backbone.device)
        if words:
            before = len(backbone.tokenizer.encode(leading[0]))
        ids = ids.to(backbone.device)
        return PromptTable(ids, ids.argmax(-1), order, n_ctx, 1 + before, backbone.text)

    @cached_property
    def embeddings(self) -> Tensor:
        """[class, token, width], padded to the longest prompt."""
        return self.tower.embed(self.ids)

    def fill(self, context: Tensor) -> Tensor:
        """context [n_ctx, width] (shared) or [class, n_ctx, width] -> padded embeddings [class, token, width]."""
        rows = self.embeddings
        context = context.expand(len(rows), -1, -1).to(rows.dtype)
        x = torch.cat([rows[:, :1], context, rows[:, 1 + self.n_ctx :]], dim=1)
        return x if self.order is None else x.gather(1, self.order[..., None].expand_as(x))

    def prompts(self, context: Tensor | None = None, inject: Sequence[Injection] = ()) -> Prompts:
        """The finished prompts, packed for the tower: one per class.

        context: as for `fill`; None leaves the placeholders. inject: see `Injection`.
        """
        each = (context is not None and context.ndim == 3) or any(i.vectors.ndim == 3 for i in inject)
        if each and context is not None:
            context = context.expand(len(self.ids), -1, -1)
        return self._pack(context, "class" if each else "all", inject=tuple(inject))

    def grouped(self, contexts: Tensor) -> Prompts:
        """Packed prompts for several contexts [group, n_ctx, width]: group · class prompts, group by group."""
        return self._pack(contexts, "group", len(contexts))

    def _pack(self, context: Tensor | None, whose: str, groups: int = 1, inject: tuple[Injection, ...] = ()) -> Prompts:
        """Packed rows [row, width]: token embeddings, with the context copied over its placeholders.

        whose: there is one context for "all" prompts, per "class" or per "group". Layouts are computed once.
        """
        if (whose, groups) not in self._layouts:
            shared = 1 if whose == "class" else self.prefix
            packing = self.tower.pack((self.eot + 1).tolist() * groups, shared, groups)
            (prompt, token), classes = packing.prompt_and_token, len(self.ids)
            column = token if self.order is None else self.order[prompt % classes, token]
            where = ((column > 0) & (column <= self.n_ctx)).nonzero().flatten()  # packed rows of the context
            owner = {"all": 0 * prompt, "class": prompt % classes, "group": prompt // classes}[whose][where]
            which = owner * self.n_ctx + column[where] - 1  # the rows of [owner · n_ctx, width] that go there
            self._layouts[whose, groups] = packing, self.ids[prompt % classes, column], where, which
        packing, ids, where, which = self._layouts[whose, groups]
        rows = self.tower.embed(ids)
        if context is not None:
            rows.index_copy_(0, where, context.to(rows.dtype).flatten(0, -2)[which])
        return Prompts(rows, packing, inject)


def start_context(
    backbone: Backbone, n_ctx: int, words: str | None, generator: torch.Generator, layer: int = 0
) -> Tensor:
    """Initial values of a context shared by all classes, [n_ctx, width], on the CPU.

    words: start from their token embeddings, one row per token; None: N(0, 0.02²).
    layer: above 0, start from the words' hidden states right before this block. A row sees no later one, so that these
        are the same whichever class name follows.
    """
    if words:
        return (context_states(backbone, words, layer) if layer else context_embeddings(backbone, words)).cpu()
    check_context(backbone, n_ctx)
    return torch.empty(n_ctx, backbone.width).normal_(std=0.02, generator=generator)


def check_context(backbone: Backbone, n_ctx: int) -> None:
    """Refuse a context that leaves no room for a name, before anything is allocated."""
    if why := lack_of_room(backbone, n_ctx):
        raise ConfigError(f"{why}. Use fewer context tokens.")


def lack_of_room(backbone: Backbone | Outline, n_ctx: int) -> str | None:
    """A sentence on why so many context tokens leave no room for a name; None if they do."""
    if n_ctx <= backbone.context_length - 4:
        return None
    return (
        f"{n_ctx} context tokens do not fit: {backbone.name} reads {backbone.context_length} tokens, and SOS, a name, "
        "a period and EOT take 4 of them at least"
    )


def _names(classnames: Sequence[str]) -> list[str]:
    if isinstance(classnames, str):
        raise ConfigError(f"a list of class names is needed; {classnames!r} is a single one. Write [{classnames!r}].")
    names = [readable(name) for name in classnames]
    empty = [str(i) for i, name in enumerate(names, 1) if not name.strip()]
    if empty:
        raise ConfigError(
            f"every class needs a name for its prompt; of {len(names)} class names number {', '.join(empty)} is empty. "
            "Name the class, or leave it out."
        )
    return names


def context_embeddings(backbone: Backbone, words: str) -> Tensor:
    """Token embeddings of the words a context starts from, [token, width].

    CoOp counts words, which is wrong for words of several tokens. Here it is tokens; equal for "a photo of a".
    """
    ids = backbone.tokenize([readable(words)])
    return backbone.text.embed(ids)[0, 1 : int(ids[0].argmax())].clone()


def context_states(backbone: Backbone, words: str, layer: int) -> Tensor:
    """The residual stream of a context right before block `layer`, positions included: [token, width]."""
    ids = backbone.tokenize([readable(words)])
    eot = ids.argmax(-1)
    return backbone.text.hidden_states(backbone.text.embed(ids), eot)[layer, 0, 1 : int(eot[0])]
