"""Templates: the sentences that make a prompt of a class name."""

from clipcompat.common.errors import unknown_name
from clipcompat.common.packages import check_torchvision
from clipcompat.data.public.layout import find_layout

_PHOTO = "a photo of a {}."
_COOP = {  # CoOp/trainers/zsclip.py; the data sets that are not here have _PHOTO
    "oxford_pets": "a photo of a {}, a type of pet.",
    "oxford_flowers": "a photo of a {}, a type of flower.",
    "fgvc_aircraft": "a photo of a {}, a type of aircraft.",
    "food101": "a photo of {}, a type of food.",
    "dtd": "{} texture.",
    "eurosat": "a centered satellite photo of {}.",
    "ucf101": "a photo of a person doing {}.",
}

_SEVEN = (  # the Tip-Adapter and GDA code, for ImageNet and its variants
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)

STYLES = ("coop", "kgcoop", "openai80", "tip7")


def template_for(dataset: str, style: str = "coop") -> str | tuple[str, ...]:
    """The template of a data set, or several whose text features are averaged; `{}` is the class name.

    Args:
        dataset: a name or alias of `clipcompat.data.public.layout`.
        style: "coop": CoOp's one sentence per data set. "kgcoop": the same, except for DTD. "tip7": the same, except
            for ImageNet and its variants: seven sentences. "openai80": OpenAI's 80 ImageNet sentences.

    Raises:
        UnknownNameError: no such data set or style.
    """
    name = find_layout(dataset).name
    if style == "kgcoop" and name == "dtd":
        return "a photo of a {}, a type of texture."
    if style == "tip7" and name.startswith("imagenet"):
        return _SEVEN
    if style in ("coop", "kgcoop", "tip7"):
        return _COOP.get(name, _PHOTO)
    if style == "openai80":
        # open_clip has OpenAI's published list, as functions of the class name; importing it is slow
        check_torchvision()
        from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

        return tuple(sentence("{}") for sentence in OPENAI_IMAGENET_TEMPLATES)
    raise unknown_name("template style", style, STYLES)
