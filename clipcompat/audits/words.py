"""The words of a backbone's vocabulary that are nearest to the vectors of a prompt (CoOp, arXiv 2109.01134, table 4).

Nearest by Euclidean distance, as there; whole words only, which end in the tokenizer's mark.
"""

from functools import lru_cache

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.plugins.plugin import Plugin

_END = "</w>"
_MOST = 16  # vectors that are shown


def nearest_words(plugin: Plugin, backbone: Backbone) -> tuple[str, ...]:
    """One word per vector of the context, the first 16; empty for plug-ins without one in the space of tokens.

    A context of single classes, or one that acts in a deeper layer, is in no such space.
    """
    return tuple(words[0][0] for words in ranked_words(plugin, backbone, 1))


def ranked_words(plugin: Plugin, backbone: Backbone, count: int) -> list[list[tuple[str, float]]]:
    """For each of the first 16 vectors of the context, its `count` nearest words with their distances, nearest first.

    Empty where `nearest_words` is.
    """
    context = plugin.tensors.get("ctx", plugin.tensors.get("stage1.ctx"))
    if context is None or context.ndim != 2 or context.shape[1] != backbone.width or _is_deep(plugin):
        return []
    found = _vocabulary(backbone)
    if found is None:
        return []
    words, vectors = found
    nearest = torch.cdist(context[:_MOST].to(vectors), vectors).sort(dim=-1, stable=True)
    rows = zip(nearest.indices[:, :count].tolist(), nearest.values[:, :count].tolist(), strict=True)
    return [[(words[i], distance) for i, distance in zip(*row, strict=True)] for row in rows]


def distance_between_words(backbone: Backbone) -> float | None:
    """How far a word is from the nearest other word, the median over up to 1,000 words of the vocabulary.

    None for a tokenizer that is not CLIP's. A prompt's vector that is much farther from its nearest word is no word.
    """
    found = _vocabulary(backbone)
    if found is None:
        return None
    vectors = found[1]
    some = torch.arange(0, len(vectors), max(1, len(vectors) // 1000))
    apart = torch.cdist(vectors[some], vectors)
    apart[torch.arange(len(some)), some] = float("inf")
    return float(apart.amin(-1).median())


def _is_deep(plugin: Plugin) -> bool:
    method = getattr(plugin.method, "learner", plugin.method)
    return bool(getattr(method, "layer", 0))


@lru_cache(maxsize=4)
def _vocabulary(backbone: Backbone) -> tuple[list[str], Tensor] | None:
    """Whole words, and their embeddings [word, width]; None for a tokenizer that is not CLIP's."""
    decoder = getattr(backbone.tokenizer, "decoder", None)
    if not decoder:
        return None
    whole = [(i, word.removesuffix(_END)) for i, word in decoder.items() if word.endswith(_END) and word != _END]
    ids = torch.tensor([i for i, _ in whole])
    return [word for _, word in whole], backbone.text.embed(ids).float()
