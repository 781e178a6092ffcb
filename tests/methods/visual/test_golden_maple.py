"""Golden numbers of MaPLe: its logits, its loss and a whole training, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
import torch

from clipcompat.methods.visual.maple import MaPLe
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.learners import PHOTO, plugin_of, same_gradients, start
from tests.reference.contcoop import cross_entropy, logits
from tests.reference.dassl import learning_rates, sgd_step
from tests.reference.maple import visual_prompts
from tests.slow import slow_deep_text, slow_images
from tests.tiny import numbers
from tests.toys import NAMES

METHOD = MaPLe(recipe=dataclasses.replace(MaPLe().recipe, lr=0.02, weight_decay=0.05, epochs=3, batch_size=5))
TENSORS = {
    "ctx": numbers((2, 16), 30, 0.1),
    "proj.weight": numbers((8, 16), 31, 0.5),
    "proj.bias": numbers((8,), 32, 0.3),
    "deep": numbers((2, 2, 16), 33, 0.4),
    "deep_proj.weight": numbers((2, 8, 16), 34, 0.5),
    "deep_proj.bias": numbers((2, 8), 35, 0.3),
}
PIXELS = golden.pixels(1, torch.tensor([0, 1, 2, 0, 1]), 8)[0]
LABELS = torch.tensor([0, 1, 2, 0, 1])
LOGITS, LOSS, PATH = 188.9951, 1.206511, 17.951565


def slow_logits(backbone, tensors, pixels, words="a photo of a"):
    text = slow_deep_text(backbone, NAMES, words, tensors["ctx"], tensors.get("deep", ()))
    return logits(slow_images(backbone, pixels, visual_prompts(tensors)), text, backbone.logit_scale)


def slow_loss(backbone, tensors, pixels, labels):
    return cross_entropy(slow_logits(backbone, tensors, pixels), labels)


def loss_of(method, backbone):
    learner = start(method, backbone, golden.data_of(), init=plugin_of(method, TENSORS, backbone))
    return float(learner.loss(PIXELS, LABELS).detach())


def test_the_logits_are_the_golden_number(tiny_deep):
    (seeing,) = METHOD.image_towers(TENSORS, tiny_deep)
    slow = slow_logits(tiny_deep, TENSORS, PIXELS)
    ours = METHOD.logits(TENSORS, tiny_deep, seeing.image_features(PIXELS), NAMES, PHOTO)
    torch.testing.assert_close(ours, slow, rtol=0, atol=1e-5)
    assert golden.digest({"": slow}) == pytest.approx(LOGITS, abs=1e-3)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_loss_and_gradients_at_every_depth_are_the_slow_reference_s(tiny_deep, depth):
    method = dataclasses.replace(METHOD, depth=depth)
    tensors = {
        name: t[: depth - 1] if name.startswith("deep") else t
        for name, t in TENSORS.items()
        if depth > 1 or not name.startswith("deep")
    }
    learner = start(method, tiny_deep, golden.data_of(), init=plugin_of(method, tensors, tiny_deep))
    leaves = {name: t.clone().requires_grad_() for name, t in tensors.items()}
    loss, slow = learner.loss(PIXELS, LABELS), slow_loss(tiny_deep, leaves, PIXELS, LABELS)
    torch.testing.assert_close(loss, slow, rtol=0, atol=5e-6)
    same_gradients(learner, loss, slow, leaves)


def test_the_loss_is_the_golden_number(tiny_deep):
    assert float(slow_loss(tiny_deep, TENSORS, PIXELS, LABELS)) == pytest.approx(LOSS, abs=5e-6)
    assert loss_of(METHOD, tiny_deep) == pytest.approx(LOSS, abs=5e-6)


def test_training_ends_at_the_golden_number(tiny_deep, written_down):
    data = golden.data_of()
    steps = golden.pixel_epochs_of(data, 3, 5)
    rates = [rate for rate in learning_rates(3, 0.02) for _ in range(2)]
    slow = golden.slow_path(TENSORS, partial(slow_loss, tiny_deep), steps, rates, partial(sgd_step, weight_decay=0.05))
    ours = fit(METHOD, tiny_deep, data, init=plugin_of(METHOD, TENSORS, tiny_deep)).tensors
    for name in TENSORS:
        torch.testing.assert_close(ours[name], slow[name], rtol=0, atol=1e-5)
    for tensors in (ours, slow):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=1e-4)


CHANGES = golden.SGD_RECIPE | {
    "recipe.lr": 0.03,
    "recipe.weight_decay": 0.04,
    "recipe.batch_size": 6,
    "recipe.drop_last": False,
}
STARTS = {"n_ctx", "depth", "ctx_init"}  # tested above and below


def test_every_constant_is_changed_below():
    assert golden.constants(METHOD) - set(CHANGES) == {"recipe.eps"} | STARTS | golden.ELSEWHERE


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_golden_path_notices_one_changed_constant(tiny_deep, written_down, field):
    moved = golden.path_of(golden.change(METHOD, field, CHANGES[field]), tiny_deep, golden.data_of(), TENSORS)
    assert abs(moved - PATH) > 2e-3


def test_the_golden_loss_notices_other_words_behind_the_learned_ones(tiny_deep):
    assert loss_of(dataclasses.replace(METHOD, ctx_init="a photo of red"), tiny_deep) != pytest.approx(LOSS, abs=2e-5)
    # the first two are overwritten
    assert loss_of(dataclasses.replace(METHOD, ctx_init="red red of a"), tiny_deep) == pytest.approx(LOSS, abs=1e-6)


def test_the_defaults_are_the_published_ones():
    assert (MaPLe().n_ctx, MaPLe().ctx_init, MaPLe().depth) == (2, "a photo of a", 9)
    assert MaPLe().recipe == Recipe(lr=0.0035, epochs=5, batch_size=4)
