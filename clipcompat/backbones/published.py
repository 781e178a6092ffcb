"""The weights that open_clip knows by tag, and which of them this library runs: from configurations, no weights."""

import functools
from dataclasses import dataclass

from clipcompat.backbones.load import check_weights
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.weights.architecture import build_model
from clipcompat.common.errors import ClipcompatError


@dataclass(frozen=True)
class Published:
    """Published weights.

    name: as an upgrade lists its generations, "ViT-B-16-quickgelu:openai". outline: of their model; None if this
    library does not run them. why: then a sentence that says why.
    """

    name: str
    outline: Outline | None
    why: str | None = None


@functools.cache
def published_weights() -> tuple[Published, ...]:
    """All tags of all models of the installed open_clip, in its order. Takes seconds: shapes are built, no weights."""
    import open_clip

    return tuple(_look(model, tag) for model, tag in open_clip.list_pretrained())


def _look(model: str, tag: str) -> Published:
    name = f"{model}:{tag}"
    try:
        check_weights(model, tag)
        return Published(name, _outline(model))
    except ClipcompatError as error:
        return Published(name, None, str(error))


@functools.cache
def _outline(model: str) -> Outline:
    return Outline.of(model, build_model(model, device="meta"), None)
