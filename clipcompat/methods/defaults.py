"""Default settings of a method: those of its paper, or the recipe for mini datasets.

Learning rates of the mini recipe were chosen by validation accuracy on old on the three development sets, with the same
trials for every method. `python -m clipcompat_book.miniature.tune` made the trials:
`clipcompat_book/miniature/trials.jsonl`. Linear probe and Tip-Adapter have no rate. They search C, or α and β, on the
validation images of each dataset.
"""

from dataclasses import replace

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.common.errors import unknown_name
from clipcompat.data.kind import dataset_kind
from clipcompat.methods import KNOWN, METHODS
from clipcompat.training.learner import Method
from clipcompat.training.recipe import Recipe

BASE = Recipe(schedule="step", warmup_epochs=0, max_steps=100)
"""Not tuned: CoOp's optimiser, and a cosine over few steps, so that a training takes seconds."""

_RECIPES = {"cocoop": replace(BASE, batch_size=4, max_steps=400), "tip_adapter_f": METHODS["tip_adapter_f"]().recipe}
"""In CoCoOp each image has its own prompts: fewer images per step, more steps. Tip-Adapter-F's own recipe is short."""

LEARNING_RATES = {
    "clip_adapter": 0.512,
    "cocoop": 0.512,
    "contcoop": 8e-3,
    "coop": 2e-3,
    "kgcoop": 3.2e-2,
    "tip_adapter_f": 3.2e-2,
}


def mini_method(name: str, lr: float | None = None) -> Method:
    """A method with its recipe for mini datasets. lr: replaces the tuned rate."""
    method, lr = KNOWN[name](), LEARNING_RATES.get(name) if lr is None else lr
    if name.startswith("tip_adapter"):
        method = replace(method, scale=None)  # the constant 100 is the scale of OpenAI's CLIP
    return method if lr is None else replace(method, recipe=replace(_RECIPES.get(name, BASE), lr=lr))


def default_method(name: str, dataset: str, upgrade: str = "") -> Method:
    """A method with the paper's settings, or on a mini dataset with the recipe tuned for those.

    upgrade: on a mini upgrade, the user's own images ("folder/pets") get the mini recipe too. It was tuned for the mini
        backbones as much as for their datasets, and the papers' recipes would take minutes.

    Raises:
        UnknownNameError: no such method.
    """
    if name not in KNOWN:
        raise unknown_name("method", name, KNOWN)
    kind = dataset_kind(dataset)
    if kind == "public" or (kind == "own" and upgrade_kind(upgrade) != "mini"):
        return KNOWN[name]()
    return mini_method(name)
