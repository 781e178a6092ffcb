"""Golden numbers of KgCoOp: its loss and a whole training, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
import torch

from clipcompat.data.templates import template_for
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.parts.distillation import Distillation
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.learners import PHOTO, batch, plugin_of, start
from tests.reference import templates
from tests.reference.contcoop import cross_entropy, kgcoop_penalty, logits
from tests.reference.dassl import learning_rates, sgd_step
from tests.slow import slow_coop, slow_zero_shot, state_of
from tests.tiny import numbers
from tests.toys import NAMES

METHOD = KgCoOp(recipe=dataclasses.replace(KgCoOp().recipe, lr=0.01, weight_decay=0.05, epochs=3, batch_size=5))
TENSORS = {"ctx": numbers((4, 16), 30, 0.1)}
LOGITS, LOSS, PATH = 954.8651, 2.866557, 3.557700
OWN = "photo of a {}."


def data_of():
    """Named as a dataset whose sentence in KgCoOp's table, "a photo of a …", is not the one it brings."""
    return golden.data_of(name="caltech101", template=OWN)


def loss_of(method, backbone):
    learner = start(method, backbone, data_of(), init=plugin_of(method, TENSORS, backbone))
    return float(learner.loss(*batch(backbone)).detach())


def slow_loss(backbone):
    target = slow_zero_shot(backbone, NAMES, templates.KGCOOP["caltech101"])

    def loss(tensors, features, labels):
        weights = slow_coop(backbone, NAMES, tensors["ctx"])
        scores = logits(features, weights, backbone.logit_scale)
        return cross_entropy(scores, labels) + kgcoop_penalty(weights, target)

    return loss


def test_the_logits_are_the_golden_number(tiny):
    features, _ = batch(tiny)
    slow = logits(features, slow_coop(tiny, NAMES, TENSORS["ctx"]), tiny.logit_scale)
    torch.testing.assert_close(METHOD.logits(TENSORS, tiny, features, NAMES, OWN), slow, rtol=0, atol=1e-5)
    assert golden.digest({"": slow}) == pytest.approx(LOGITS, abs=1e-3)


def test_the_loss_is_the_golden_number(tiny):
    assert float(slow_loss(tiny)(TENSORS, *batch(tiny))) == pytest.approx(LOSS, abs=5e-6)
    assert loss_of(METHOD, tiny) == pytest.approx(LOSS, abs=5e-6)


def test_training_ends_at_the_golden_number(tiny, written_down):
    steps = golden.epochs_of(data_of(), 16, epochs=3, size=5)
    rates = [rate for rate in learning_rates(3, 0.01) for _ in range(2)]
    slow = golden.slow_path(TENSORS, slow_loss(tiny), steps, rates, partial(sgd_step, weight_decay=0.05))
    ours = fit(METHOD, tiny, data_of(), init=plugin_of(METHOD, TENSORS, tiny)).tensors
    torch.testing.assert_close(ours["ctx"], slow["ctx"], rtol=0, atol=1e-5)
    for tensors in (ours, slow):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=1e-4)


CHANGES = golden.SGD_RECIPE | {
    "recipe.lr": 0.0101,
    "recipe.weight_decay": 0.04,
    "recipe.batch_size": 6,
    "recipe.drop_last": False,
    "distillation.weight": 7.9,
    "distillation.form": "l2sq",
    "distillation.templates": "data",
}
WITHOUT_EFFECT = {"recipe.eps", "distillation.normalize"}  # a cosine has its own unit vectors
STARTS = {"n_ctx", "ctx_init"}  # tested below


def test_every_constant_is_changed_below():
    assert golden.constants(METHOD) - set(CHANGES) == WITHOUT_EFFECT | STARTS | golden.ELSEWHERE


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_golden_path_notices_one_changed_constant(tiny, written_down, field):
    moved = golden.path_of(golden.change(METHOD, field, CHANGES[field]), tiny, data_of(), TENSORS)
    assert abs(moved - PATH) > 2e-4


@pytest.mark.parametrize("field", [f for f in CHANGES if f.startswith("distillation")])
def test_the_golden_loss_notices_another_pull(tiny, field):
    assert abs(loss_of(golden.change(METHOD, field, CHANGES[field]), tiny) - LOSS) > 2e-5


def test_half_the_papers_square_is_the_codes_cosine(tiny):
    method = dataclasses.replace(METHOD, distillation=Distillation(4.0, "l2sq", templates="kgcoop"))
    assert loss_of(method, tiny) == pytest.approx(LOSS, abs=2e-5)


def test_the_context_starts_as_the_words_or_as_noise(tiny, mini_old):
    table = state_of(tiny)["token_embedding.weight"]
    assert torch.equal(start(METHOD, tiny).parameters["ctx"], table[tiny.tokenizer.encode("a photo of a")])
    noise = start(dataclasses.replace(METHOD, ctx_init=None, n_ctx=12), mini_old).parameters["ctx"].detach()
    assert noise.shape == (12, 128) and float(noise.std()) == pytest.approx(0.02, rel=0.1)


def test_the_defaults_are_the_published_ones():
    assert (KgCoOp().n_ctx, KgCoOp().ctx_init) == (4, "a photo of a")
    assert KgCoOp().distillation == Distillation(weight=8.0, form="cosine", normalize=True, templates="kgcoop")
    assert KgCoOp().recipe == Recipe(epochs=100, batch_size=128)


@pytest.mark.parametrize("style", ["coop", "kgcoop", "tip7"])
def test_templates_are_the_published_ones(style):
    table = {"coop": templates.COOP, "kgcoop": templates.KGCOOP, "tip7": templates.TIP}[style]
    assert {name: template_for(name, style) for name in table} == table
    for name in ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"):
        assert template_for(name, style) == table["imagenet"]


def test_the_own_sentence_of_the_data_would_be_another_target():
    assert templates.KGCOOP["caltech101"] == PHOTO != OWN
