"""How methods are trained on mini datasets: one recipe a method for all of them.

Chosen on the three development sets, by validation accuracy on old, with as many trials for every method; the trials
are in `recipes.jsonl` beside this file, and `python -m clipcompat.mini.tune` makes them again.
"""

from __future__ import annotations

from dataclasses import replace

from clipcompat.methods import METHODS
from clipcompat.methods.base import Method
from clipcompat.methods.recipe import Recipe

BASE = Recipe(schedule="step", warmup_epochs=0, max_steps=100)
"""What was not tuned: CoOp's optimiser, and a cosine over few steps, so that a training takes seconds."""

LEARNING_RATES = {"coop": 2e-3, "contcoop": 8e-3}


def mini_method(name: str) -> Method:
    """A method as it is trained on mini datasets."""
    if name not in LEARNING_RATES:
        return METHODS[name]()
    return replace(METHODS[name](), recipe=replace(BASE, lr=LEARNING_RATES[name]))
