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
    context = plugin.tensors.get("ctx", plugin.tensors.get("stage1.ctx"))
    if context is None or context.ndim != 2 or context.shape[1] != backbone.width or _is_deep(plugin):
        return ()
    found = _vocabulary(backbone)
    if found is None:
        return ()
    words, vectors = found
    nearest = torch.cdist(context[:_MOST].to(vectors), vectors).argmin(-1)
    return tuple(words[i] for i in nearest.tolist())


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
