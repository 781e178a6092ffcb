"""How methods are trained on mini datasets: one recipe a method for all of them.

Learning rates were chosen on the three development sets, by validation accuracy on old, with the same trials for every
method; the trials are in `clipcompat_book/miniature/trials.jsonl`, made by `python -m clipcompat_book.miniature.tune`.
Linear probe and Tip-Adapter have no rate: what they search, they search on the validation pictures of the dataset at
hand.
"""

from __future__ import annotations

from dataclasses import replace

from clipcompat.methods import METHODS
from clipcompat.training.learner import Method
from clipcompat.training.recipe import Recipe

BASE = Recipe(schedule="step", warmup_epochs=0, max_steps=100)
"""What was not tuned: CoOp's optimiser, and a cosine over few steps, so that a training takes seconds."""

_RECIPES = {"cocoop": replace(BASE, batch_size=4, max_steps=400), "tip_adapter_f": METHODS["tip_adapter_f"]().recipe}
"""Every image of CoCoOp's batch has its own prompts: fewer images a step, more steps. Tip-Adapter-F's own is short."""

LEARNING_RATES = {
    "clip_adapter": 0.512, "cocoop": 0.512, "contcoop": 8e-3, "coop": 2e-3, "kgcoop": 3.2e-2, "tip_adapter_f": 3.2e-2,
}  # fmt: skip


def mini_method(name: str, lr: float | None = None) -> Method:
    """A method as it is trained on mini datasets. lr: instead of the tuned rate."""
    method, lr = METHODS[name](), LEARNING_RATES.get(name) if lr is None else lr
    if name.startswith("tip_adapter"):
        method = replace(method, scale=None)  # the constant 100 is the stored scale of OpenAI's CLIP, not of these
    return method if lr is None else replace(method, recipe=replace(_RECIPES.get(name, BASE), lr=lr))
