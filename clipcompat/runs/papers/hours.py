"""GPU hours of a run at paper scale, estimated from floating-point operations. Nothing here is a measurement.

A text tower with L layers of width D and an output of E takes L · (12 D² q + 2 q (q + p) D) + D E multiply-adds for q
tokens after p that are shared and kept; a multiply-add is two operations. Weights are frozen, so that backward takes as
much as forward. Decoding pictures, launching kernels, and training on features alone are left out, so that small
runs take longer than this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipcompat.data.public.layout import find_layout
from clipcompat.runs.request import Request

THROUGHPUT = 50e12
"""Operations a second that a GPU is taken to sustain: a sixth of the 312e12 that an A100 is sold with in bf16."""
VIEWS = 10
"""Augmented views of a training picture, unless a request says otherwise."""

_NAME, _END = 2, 2  # tokens: a class name, on average over DTD, EuroSAT and ImageNet; "." and the end of text


@dataclass(frozen=True)
class _Towers:
    """layers, width, dim: of the text tower. image: operations per picture, as open_clip's model profile has them."""

    layers: int
    width: int
    dim: int
    image: float


@dataclass(frozen=True)
class PromptTraining:
    """What a training of prompts repeats. prefix: who shares the tokens before the class name, so that they are kept.

    epochs: on all data sets but ImageNet. prefix: "all" classes; all classes of one "picture"; "none".
    """

    batch_size: int
    epochs: int
    epochs_on_imagenet: int
    n_ctx: int
    prefix: str


_TOWERS = {
    "clip-to-eva-vit-b-16": _Towers(12, 512, 512, 35.13e9),
    "clip-to-eva-vit-l-14": _Towers(12, 768, 768, 162.0e9),
}
PROMPTS = {
    "coop": PromptTraining(32, 200, 50, 16, "all"),
    "cocoop": PromptTraining(1, 10, 10, 4, "picture"),
    "kgcoop": PromptTraining(128, 100, 100, 4, "all"),
    "contcoop": PromptTraining(32, 200, 50, 16, "none"),
}
"""The methods that run the text tower in training, with the papers' recipes."""


def gpu_hours(request: Mapping[str, Any]) -> float:
    """Of one run alone, with all its seeds; in a sweep, methods share the features of pictures and take less.

    request: fields of a `Request` on a public data set and one of the two public upgrades.
    """
    method, towers = request["method"], _TOWERS[request["upgrade"]]
    layout = find_layout(request["dataset"])
    seeds = len(request.get("seeds", Request.seeds))
    shots = request.get("shots", Request.shots)
    pictures = layout.train_size if shots is None else shots * layout.classes
    trainings = 0 if method == "zero_shot" else 2 if request.get("retrain", True) else 1  # on old, and on new
    views = {"zero_shot": 0, "linear_probe": 1}.get(method, VIEWS)
    operations = towers.image * (2 * layout.test_size + seeds * trainings * views * pictures)
    if prompts := PROMPTS.get(method):
        epochs = prompts.epochs_on_imagenet if layout.name == "imagenet" else prompts.epochs
        steps = epochs * max(1, pictures // prompts.batch_size)
        classes = _classes_flops(towers, prompts, layout.classes)
        operations += seeds * trainings * steps * prompts.batch_size ** (prompts.prefix == "picture") * 2 * classes
        if prompts.prefix == "picture":  # every test picture has prompts of its own
            operations += seeds * (trainings + 1) * layout.test_size * classes
    return operations / THROUGHPUT / 3600


def _classes_flops(towers: _Towers, prompts: PromptTraining, classes: int) -> float:
    """One forward pass of the text tower over all classes."""
    before, after = 1 + prompts.n_ctx, _NAME + _END
    if prompts.prefix == "none":
        return classes * text_flops(towers, before + after)
    return text_flops(towers, before) + classes * text_flops(towers, after, before)


def text_flops(towers: _Towers, tokens: int, kept: int = 0) -> float:
    """Of one text, forward: `tokens` computed after `kept` ones."""
    layer = 12 * towers.width**2 * tokens + 2 * tokens * (tokens + kept) * towers.width
    return 2 * (towers.layers * layer + towers.width * towers.dim)
