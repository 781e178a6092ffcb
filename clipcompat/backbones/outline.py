"""The outline of a backbone: its name, widths and depths, all that decides whether a plug-in's tensors fit it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from clipcompat.backbones.image.prompted import prompted_layers, why_no_prompts
from clipcompat.backbones.image.tower import penultimate_width
from clipcompat.backbones.text.tower import TextTower


@dataclass(frozen=True)
class Outline:
    """What `Plugin.match` asks of a backbone, known without its weights.

    name, dim, width, layers, context_length, penultimate, image_layers, no_visual_prompts: as in `Backbone`.
    read_stamp: loads the weights and gives their stamp; None if no weights were named.
    """

    name: str
    dim: int
    width: int
    layers: int
    context_length: int
    penultimate: int | None
    image_layers: int = 0
    no_visual_prompts: str | None = None
    read_stamp: Callable[[], str] | None = None

    @staticmethod
    def of(name: str, model: nn.Module, read_stamp: Callable[[], str] | None) -> "Outline":
        """The outline of an open_clip model, whose tensors may be on the device "meta"."""
        text = TextTower(model)
        sizes = (text.dim, text.width, text.layers, text.context_length)
        seen = (penultimate_width(model.visual), prompted_layers(model.visual), why_no_prompts(model.visual))
        return Outline(name, *sizes, *seen, read_stamp)

    @cached_property
    def stamp(self) -> str | None:
        """The backbone's stamp, for which the weights are read; None if no weights were named."""
        return self.read_stamp() if self.read_stamp else None

    def feature_width(self, kind: str = "projected") -> int | None:
        """Length of image features of this kind; None if the tower does not have them."""
        return self.dim if kind == "projected" else self.penultimate
