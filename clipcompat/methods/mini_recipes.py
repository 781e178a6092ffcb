"""How methods are trained on mini datasets: one recipe per method.

Learning rates were chosen by validation accuracy on old on the three development sets, with the same trials for every
method. `python -m clipcompat_book.miniature.tune` made the trials: `clipcompat_book/miniature/trials.jsonl`.
Linear probe and Tip-Adapter have no rate. They search C, or α and β, on the validation images of each dataset.
"""

from dataclasses import replace

from clipcompat.methods import METHODS
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
    method, lr = METHODS[name](), LEARNING_RATES.get(name) if lr is None else lr
    if name.startswith("tip_adapter"):
        method = replace(method, scale=None)  # the constant 100 is the scale of OpenAI's CLIP
    return method if lr is None else replace(method, recipe=replace(_RECIPES.get(name, BASE), lr=lr))
