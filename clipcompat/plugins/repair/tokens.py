"""Prompts of an old backbone brought into the token space of a new one, from the two vocabularies alone: no pictures.

E_old and E_new are the embeddings of all tokens that both tokenizers know, [token, width]. A context row v is moved by
    tokens    the map of `fit_map` from E_old to E_new: a rotation with a shift of means, by default
    anchors   arXiv 2310.01691: r are the cosines of v with the rows of E_old; v' is the row whose cosines with the rows
              of E_new are, as a vector, nearest to r in angle. |v'| = |v| · mean |E_new| / mean |E_old|

The paper searches v' by gradient steps, which its code (MANGA-UOFA/PTfer) stops by the accuracy on labelled data. Here
v' is exact: with A the rows of E_new at unit length, the cosine of A v' with r is largest at the least-squares solution
of A v' = r. The code gives all entries of a prompt the mean and spread of E_new; here each row keeps its length, in
units of the mean length of a token. Left out is the restriction to each row's largest cosines (`topk`).

What else stands in the token space moves along, by the linear part A of the map and of the one back, B:
    CoCoOp    the meta-net adds to every row, so its second layer becomes A W_2, A b_2. Its first layer reads image
              features, which no token tells of: it stays as it is, or, with sentences, reads new features by a map
    ContCoOp  W_Q, W_K, W_V read rows of tokens and become W B; W_O writes a change of the context and becomes A W_O.
              A shift of means goes into the biases. An attention without biases (the default) leaves it out
    DPC       both prompts, each as its learner's
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.feature_map import FeatureMap, fit_map
from clipcompat.plugins.repair.translate import is_translatable
from clipcompat.training.learner import Method

WAYS = ("anchors", "tokens")
"""Repairs of prompts that need no pictures."""

_KINDS = (CoOp, KgCoOp, ContCoOp, CoCoOp)


@dataclass(frozen=True)
class TokenMap:
    """From one token space to another.

    rows: context rows [..., old width] -> [..., new width]. to_new, to_old: the affine maps between tokens, whose
    linear parts move differences of rows. tokens: how many it was fitted on.
    """

    rows: Callable[[Tensor], Tensor]
    to_new: FeatureMap
    to_old: FeatureMap
    tokens: int


def common_embeddings(old: Backbone, new: Backbone) -> tuple[Tensor, Tensor]:
    """Embeddings of the tokens that both vocabularies have, in the same order: two of [token, width], on the CPU.

    Raises:
        IncompatibleError: a tokenizer does not list its tokens, or fewer are common than a token space has directions.
    """
    vocabularies = [getattr(backbone.tokenizer, "encoder", None) for backbone in (old, new)]
    if not all(vocabularies):
        unknown = (old, new)[vocabularies.index(None)].name
        raise IncompatibleError(f"the tokenizer of {unknown} does not list its tokens; repair with pictures instead.")
    common = [token for token in vocabularies[0] if token in vocabularies[1]]
    needed = max(old.width, new.width)
    if len(common) < needed:
        raise IncompatibleError(
            f"{old.name} and {new.name} have {len(common)} tokens in common; a map between their token spaces needs at "
            f"least {needed}. Repair with pictures instead."
        )
    ids = ([vocabulary[token] for token in common] for vocabulary in vocabularies)
    found = (b.text.embed(torch.tensor(i)).float().cpu() for b, i in zip((old, new), ids, strict=True))
    return tuple(found)


def token_map(old: Tensor, new: Tensor, how: str = "tokens", **settings) -> TokenMap:
    """The map between two token spaces.

    Args:
        old, new: [token, old width] and [token, new width], embeddings of the same tokens.
        how: one of `WAYS`. settings: of `fit_map` (kind, strength), for "tokens".

    Raises:
        ConfigError: settings for "anchors". Others: see `fit_map`.
    """
    if how == "tokens":
        if settings.get("kind") == "residual":
            raise IncompatibleError(
                "a prompt is moved by a matrix, and a residual map has none; choose an affine kind."
            )
        to_new = fit_map(old, new, **settings)
        return TokenMap(to_new, to_new, fit_map(new, old, **settings), len(old))
    if settings:
        raise ConfigError(f"{sorted(settings)[0]} is of a map, and how='anchors' fits none; drop it.")
    longer = float(new.norm(dim=-1).mean() / old.norm(dim=-1).mean())
    to_new = _by_cosines(old, new, longer)

    def rows(context: Tensor) -> Tensor:
        length = context.norm(dim=-1, keepdim=True) * longer
        return length * F.normalize(to_new(context), dim=-1)

    return TokenMap(rows, to_new, _by_cosines(new, old, 1 / longer), len(old))


def _by_cosines(source: Tensor, target: Tensor, longer: float) -> FeatureMap:
    """Row -> the row with the same cosines to the other space's tokens, by least squares, times `longer`."""
    x, y = (F.normalize(rows.double(), dim=-1) for rows in (source, target))  # [token, width], directions of anchors
    matrix = longer * torch.linalg.lstsq(y, x).solution  # [target width, source width]: of y v' = x v for every v
    return FeatureMap(matrix.float(), torch.zeros(len(matrix)))


def moved(
    plugin: Plugin, old: Backbone, new: Backbone, how: str, sentences: Sequence[str] | None = None, **settings
) -> tuple[dict[str, Tensor], int]:
    """The plug-in's tensors for `new`, and the number of tokens that the map was fitted on.

    sentences: read by both text towers, for CoCoOp's meta-net. settings: see `token_map`.

    Raises:
        IncompatibleError: no prompt of the method is in the token space, or the moved tensors do not fit `new`.
        ConfigError: sentences for a method that reads no image features.
    """
    learner = plugin.method.learner if isinstance(plugin.method, DPC) else plugin.method
    if why := _not_tokens(learner):
        raise IncompatibleError(f"how={how!r} moves prompts of tokens, and {plugin.method.name} has none: {why}")
    if sentences is not None and not isinstance(learner, CoCoOp):
        raise ConfigError(
            f"{plugin.method.name} reads no image features, so that sentences tell it nothing; drop them."
        )
    through = token_map(*common_embeddings(old, new), how, **settings)
    tensors = {name: t.clone() for name, t in plugin.tensors.items()}
    for prefix in ("stage1.", "parallel.") if isinstance(plugin.method, DPC) else ("",):
        _move(tensors, prefix, through)
    if sentences is not None:
        to_old = fit_map(new.encode_text(list(sentences)).cpu(), old.encode_text(list(sentences)).cpu())
        weight = tensors["meta_net.linear1.weight"]  # [hidden, old dim]
        tensors["meta_net.linear1.bias"] += weight @ to_old.shift
        tensors["meta_net.linear1.weight"] = weight @ to_old.matrix
    if why := plugin.method.mismatch(tensors, new, plugin.origin["classnames"]):
        raise IncompatibleError(f"{plugin.method.name} cannot act on {new.name}, however its prompt is moved: {why}.")
    return tensors, through.tokens


def _move(tensors: dict[str, Tensor], prefix: str, through: TokenMap) -> None:
    """Move one prompt in place: the tensors whose names begin with `prefix`."""
    a, b = through.to_new.matrix, through.to_old  # a: [new width, old width]
    tensors[f"{prefix}ctx"] = through.rows(tensors[f"{prefix}ctx"])
    for writes in ("meta_net.linear2", "attn.o"):
        for kind in ("weight", "bias"):  # [old width, hidden], [old width]
            if (name := f"{prefix}{writes}.{kind}") in tensors:
                tensors[name] = a @ tensors[name]
    for reads in ("attn.q", "attn.k", "attn.v"):
        weight, bias = (f"{prefix}{reads}.{kind}" for kind in ("weight", "bias"))
        if bias in tensors:
            tensors[bias] = tensors[bias] + tensors[weight] @ b.shift
        if weight in tensors:
            tensors[weight] = tensors[weight] @ b.matrix


def _not_tokens(learner: Method) -> str | None:
    """Why the method has no prompt that is rows of the token space, and what to do instead; None if it has one."""
    if learner.needs == "nothing":
        return "it learns nothing. Carry it as it is."
    if is_translatable(learner):
        return "its tensors are rows over image features. Use how='map'."
    instead = "Use how='imitate', with pictures."
    if isinstance(learner, CoOp) and learner.layer:
        return f"its context acts in block {learner.layer} of the text tower, on hidden states. {instead}"
    if isinstance(learner, ContCoOp) and learner.attention and learner.condition.pool == "text_feature":
        return f"its attention reads text features beside its context. {instead}"
    if isinstance(learner, _KINDS):
        return None
    if learner.takes_teacher:
        return "its prompts are of both towers. Tune it again on the new backbone, with its teacher."
    if learner.acts_on == "prompts of both towers":
        return f"its prompts are of both towers, and of deeper layers. {instead}"
    return f"it acts on {learner.acts_on}. {instead}"


def has_tokens(method: Method) -> bool:
    """Whether `moved` can take the method's prompt along."""
    return _not_tokens(method.learner if isinstance(method, DPC) else method) is None
