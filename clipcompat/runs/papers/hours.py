"""GPU hours of a run at paper scale, estimated from floating-point operations. Nothing here is a measurement.

A text tower with L layers of width D and an output of E takes L · (12 D² q + 2 q (q + p) D) + D E multiply-adds for q
tokens after p that are shared and kept; a multiply-add is two operations. Weights are frozen, so that backward takes as
much as forward. Decoding pictures, launching kernels, and training on features alone are left out, so that small
runs take longer than this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipcompat.data.kind import dataset_kind
from clipcompat.data.public.layout import LAYOUTS, find_layout
from clipcompat.runs.request import Request

THROUGHPUT = 50e12
"""Operations a second that a GPU is taken to sustain: a sixth of the 312e12 that an A100 is sold with in bf16."""
VIEWS = 10
"""Augmented views of a training picture, unless a request says otherwise."""

_NAME, _END = 2, 2  # tokens: a class name, on average over DTD, EuroSAT and ImageNet; "." and the end of text


@dataclass(frozen=True)
class Towers:
    """layers, width, dim: of the text tower. image: operations per picture, as open_clip's model profile has them.
    penultimate: length of image features before the projection. parameters: of both backbones together."""

    layers: int
    width: int
    dim: int
    image: float
    penultimate: int
    parameters: int


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


TOWERS = {
    "clip-to-eva-vit-b-16": Towers(12, 512, 512, 35.13e9, 768, 149_620_737 + 149_691_137),
    "clip-to-eva-vit-l-14": Towers(12, 768, 768, 162.0e9, 1024, 427_616_513 + 427_755_457),
}
PROMPTS = {
    "coop": PromptTraining(32, 200, 50, 16, "all"),
    "cocoop": PromptTraining(1, 10, 10, 4, "picture"),
    "kgcoop": PromptTraining(128, 100, 100, 4, "all"),
    "contcoop": PromptTraining(32, 200, 50, 16, "none"),
}
"""The methods that run the text tower in training, with the papers' recipes."""


ON_FEATURES = (
    *("zero_shot", "linear_probe", "clip_adapter", "tip_adapter", "tip_adapter_f"),
    *("gda", "taskres", "zs_lp", "clap", "lp_plus_plus", "prolip"),
)
"""The methods that train, if at all, on kept features alone: pictures are all that they cost."""


def estimated_hours(request: Mapping[str, Any]) -> float | None:
    """`gpu_hours` of a run whose cost this file knows: its upgrade, its data set, its method and its study; else None.

    Settings of the method, such as another number of tokens, are not looked at.
    """
    known = (
        request["upgrade"] in TOWERS
        and dataset_kind(request["dataset"]) == "public"
        and request["method"] in (*PROMPTS, *ON_FEATURES)
        and request.get("study", Request.study) in ("compatibility", "ood")
    )
    return gpu_hours(request) if known else None


def gpu_hours(request: Mapping[str, Any]) -> float:
    """Of one run alone, with all its seeds; in a sweep, methods share the features of pictures and take less.

    request: fields of a `Request` on a public data set and one of the two public upgrades.
    """
    method, towers = request["method"], TOWERS[request["upgrade"]]
    layout = find_layout(request["dataset"])
    seeds = len(request.get("seeds", Request.seeds))
    shots = request.get("shots", Request.shots)
    pictures = layout.train_size if shots is None else shots * layout.classes
    shifted = [other for other in LAYOUTS if not other.train_size] if request.get("study") == "ood" else []
    tests = sum(one.test_size for one in (layout, *shifted))
    trainings = 0 if method == "zero_shot" else 2 if request.get("retrain", True) else 1  # on old, and on new
    views = {"zero_shot": 0, "linear_probe": 1}.get(method, VIEWS)
    operations = towers.image * (2 * tests + seeds * trainings * views * pictures)
    if prompts := PROMPTS.get(method):
        epochs = prompts.epochs_on_imagenet if layout.name == "imagenet" else prompts.epochs
        steps = epochs * max(1, pictures // prompts.batch_size)
        classes = _classes_flops(towers, prompts, layout.classes)
        operations += seeds * trainings * steps * prompts.batch_size ** (prompts.prefix == "picture") * 2 * classes
        if prompts.prefix == "picture":  # every test picture has prompts of its own
            operations += seeds * (trainings + 1) * tests * classes
    return operations / THROUGHPUT / 3600


def _classes_flops(towers: Towers, prompts: PromptTraining, classes: int) -> float:
    """One forward pass of the text tower over all classes."""
    before, after = 1 + prompts.n_ctx, _NAME + _END
    if prompts.prefix == "none":
        return classes * text_flops(towers, before + after)
    return text_flops(towers, before) + classes * text_flops(towers, after, before)


def text_flops(towers: Towers, tokens: int, kept: int = 0) -> float:
    """Of one text, forward: `tokens` computed after `kept` ones."""
    layer = 12 * towers.width**2 * tokens + 2 * tokens * (tokens + kept) * towers.width
    return 2 * (towers.layers * layer + towers.width * towers.dim)
