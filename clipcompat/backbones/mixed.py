"""The image tower of one backbone with the text tower of another: stored image vectors that meet an upgraded text side.

Nothing is trained. Whether such a pair is of any use depends on how much of the joint space the two backbones share.
"""

from torch import Tensor, nn

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError


class _Halves(nn.Module):
    """Two towers under the names by which a `Backbone` finds them in an open_clip model."""

    def __init__(self, visual: nn.Module, text: nn.Module, logit_scale: Tensor):
        super().__init__()
        self.visual, self.text, self.logit_scale = visual, text, logit_scale


def mix_towers(image: Backbone, text: Backbone) -> Backbone:
    """A backbone that sees with `image` and reads with `text`; the weights of both are shared, not copied.

    image: gives the image tower, the preprocessing, and the features that it has encoded already: they are stored under
    its stamp, so that no picture is encoded again. text: gives the text tower, the tokenizer and the logit scale.
    The stamp names both backbones. If they are one, the result is `text` itself.

    Raises:
        ConfigError: their joint features have different lengths, or they differ in device or dtype.
    """
    for what in ("dim", "device", "dtype"):
        one, other = getattr(image, what), getattr(text, what)
        if one != other:
            raise ConfigError(_differ(what, image.name, one, text.name, other))
    if image.stamp == text.stamp:
        return text
    model = _Halves(image._model.visual, getattr(text._model, "text", text._model), text._model.logit_scale)
    mixed = Backbone(
        model,
        text.tokenizer,
        image.preprocess,
        name=f"{image.name} images, {text.name} text",
        stamp=f"{image.stamp}+{text.stamp}",
        image_stamp=image.image_stamp,
        source=f"image tower: {image.source}; text tower: {text.source}",
        kind=image.kind if image.kind == text.kind else "own",
        device=text.device,
        dtype=text.dtype,
    )
    mixed.memory = image.memory
    mixed.text.memory_budget = text.text.memory_budget
    return mixed


def _differ(what: str, image: str, one: object, text: str, other: object) -> str:
    if what == "dim":
        return (
            f"image features of {image} have {one} numbers and text features of {text} have {other}, so they cannot be "
            "compared. Mix backbones of one joint dimension."
        )
    return f"{image} has the {what} {one} and {text} has {other}; load both with the same {what}."
