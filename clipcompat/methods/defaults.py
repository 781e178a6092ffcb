"""Default settings of a method: those of its paper, or the recipe for mini datasets.

Learning rates of the mini recipe were chosen by validation accuracy on old on the three development sets, with the same
trials for every method. `python -m clipcompat_book.miniature.tune` made the trials:
`clipcompat_book/miniature/trials.jsonl`. Linear probe and Tip-Adapter have no rate. They search C, or α and β, on the
validation images of each dataset. DPC's stage 1 is its learner, with the learner's recipe. The rate of stage 2 was
tuned over CoOp: a quarter of CoOp's own. Over another learner it is a quarter of that learner's own rate, because
parameters of another kind and size need another one.
"""

from collections.abc import Sequence
from dataclasses import replace

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.common.config import override
from clipcompat.common.errors import unknown_name
from clipcompat.data.kind import dataset_kind
from clipcompat.methods import KNOWN, METHODS
from clipcompat.methods.dpc import DPC, LEARNERS
from clipcompat.training.learner import Method
from clipcompat.training.recipe import Recipe

BASE = Recipe(schedule="step", warmup_epochs=0, max_steps=100)
"""Not tuned: CoOp's optimiser, and a cosine over few steps, so that a training takes seconds."""

_RECIPES = {
    "cocoop": replace(BASE, batch_size=4, max_steps=400),
    "clip_lora": replace(BASE, batch_size=8, max_steps=40),
    "dpc": replace(BASE, batch_size=4, max_steps=96),
    "tip_adapter_f": METHODS["tip_adapter_f"]().recipe,
    **dict.fromkeys(("zs_lp", "clap", "prolip"), replace(BASE, weight_decay=0.0)),
}
"""In CoCoOp each image has its own prompts: fewer images per step, more steps. Tip-Adapter-F's own recipe is short.
CLIP-LoRA's gradients go through both towers in every step: few images and steps, so that a training takes seconds.
DPC's negatives fill up a batch of 4 to at most 32 images, which is the batch of the others. ZS-LP, CLAP and
ProLIP have no weight decay, as in their code: they start from the backbone's own weights, and decay would pull to 0.
"""

LEARNING_RATES = {
    "clap": 8.192,
    "clip_adapter": 0.512,
    "clip_lora": 0.128,
    "cocoop": 0.512,
    "contcoop": 8e-3,
    "coop": 2e-3,
    "dpc": 5e-4,
    "kgcoop": 3.2e-2,
    "maple": 3.2e-2,
    "prolip": 0.128,
    "promptkd": 5e-4,
    "promptsrc": 3.2e-2,
    "taskres": 8.192,
    "tip_adapter_f": 3.2e-2,
    "zs_lp": 2.048,
}


TEACHERS = {"mini": "mini-large-old", "paper": "ViT-L-14-quickgelu:openai"}
"""The wider backbone on which PromptKD's teacher is tuned. The paper's is the one of upstream's scripts."""


def mini_method(name: str, lr: float | None = None, learner: str | None = None) -> Method:
    """A method with its recipe for mini datasets. lr: replaces the tuned rate. learner: as for `default_method`."""
    method = KNOWN[name]()
    lr = LEARNING_RATES.get(name) if lr is None else lr
    if name in ("tip_adapter", "tip_adapter_f", "gda", "prolip", "clip_lora"):
        method = replace(method, scale=None)  # the constant 100 is the scale of OpenAI's CLIP
    if name == "clap":
        method = replace(method, passes=10)  # the views that training has anyway
    if name == "promptkd":
        method = replace(method, teacher=TEACHERS["mini"])
    if name == "promptsrc":
        method = replace(method, templates="data")  # the miniature has read none of the sixty sentences
    if name == "dpc":
        tuned_with = method.learner.name
        learner = learner or tuned_with
        lr = lr * LEARNING_RATES[learner] / LEARNING_RATES[tuned_with] if learner in LEARNING_RATES else None
        # a tuned rate needs no constant factor 1/omega_base in the gradient; without it, P' is the same for any omega
        method = replace(method, learner=mini_method(learner), gradient="plain")
    return method if lr is None else replace(method, recipe=replace(_RECIPES.get(name, BASE), lr=lr))


def default_method(name: str, dataset: str, upgrade: str = "", learner: str | None = None) -> Method:
    """A method with the paper's settings, or on a mini dataset with the recipe tuned for those.

    upgrade: on a mini upgrade, the user's own images ("folder/pets") get the mini recipe too. It was tuned for the mini
        backbones as much as for their datasets, and the papers' recipes would take minutes.
    learner: whose prompts DPC doubles, "kgcoop"; None: those of its default. No other method has one.

    Raises:
        UnknownNameError: no such method.
    """
    if name not in KNOWN:
        raise unknown_name("method", name, KNOWN)
    kind = dataset_kind(dataset)
    if kind == "public" or (kind == "own" and upgrade_kind(upgrade) != "mini"):
        method = KNOWN[name]() if learner is None else replace(KNOWN[name](), learner=KNOWN[learner]())
        return _taught(method)
    return mini_method(name, learner=learner)


def _taught(method: Method) -> Method:
    """With the paper's teacher, where the method, or the learner whose prompts it doubles, has one."""
    if isinstance(method, DPC):
        return replace(method, learner=_taught(method.learner))
    return replace(method, teacher=TEACHERS["paper"]) if method.takes_teacher else method


def configured_method(name: str, dataset: str, upgrade: str, settings: Sequence[str]) -> Method:
    """`default_method`, with settings; learner=kgcoop comes with the defaults of that learner, and of DPC over it.

    Raises:
        ConfigError, UnknownNameError: no such method or setting, or a value out of range.
    """
    learners = [s.removeprefix("learner=") for s in settings if name == "dpc" and s.startswith("learner=")]
    if not learners or learners[-1] not in LEARNERS:
        return override(default_method(name, dataset, upgrade), settings)
    others = [s for s in settings if not s.startswith("learner=")]
    return override(default_method(name, dataset, upgrade, learners[-1]), others)
