"""ZS-LP and CLAP: loss, multipliers and whole trainings, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.methods.deep.clap import CLAP, ZSLP
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.deep.made import without_validation
from tests.methods.learners import PHOTO, batch, plugin_of, start
from tests.reference import clap as slow
from tests.reference.contcoop import cross_entropy, logits
from tests.reference.dassl import learning_rates, sgd_step
from tests.slow import slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES

SHORT = dataclasses.replace(ZSLP().recipe, lr=0.02, epochs=4, batch_size=5)
PROBE, METHOD, ADAPTIVE = ZSLP(recipe=SHORT), CLAP(recipe=SHORT), CLAP(recipe=SHORT, multipliers="adaptive")
LOSSES = {"zs_lp": 2.434889, "clap": 2.553462}
PATHS = {"zs_lp": 82.970494, "clap": 82.956336, "adaptive": 82.896957}
HITS = {"zs_lp": [0, 1, 2, 3, 2, 2], "clap": [0, 1, 2, 3, 2, 2], "adaptive": [0, 1, 2, 3, 3, 2]}
METHODS = {"zs_lp": PROBE, "clap": METHOD, "adaptive": ADAPTIVE}


def given(backbone, size=0.3):
    """Weights near the text features: of the adaptive multipliers, large distances make each other larger."""
    return {"weight": slow_zero_shot(backbone, NAMES, PHOTO) + numbers((3, 16), 20, size)}


def slow_multipliers(backbone, data):
    views = golden.views(20, data.train.labels, 16)
    labels = data.train.labels.repeat(20)
    return slow.first_multipliers(
        views.flatten(0, 1), labels, slow_zero_shot(backbone, NAMES, PHOTO), backbone.logit_scale
    )


def slow_loss(backbone, tensors, features, labels, multipliers=None):
    base, weight = slow_zero_shot(backbone, NAMES, PHOTO), tensors["weight"]
    unit = torch.stack([w / w.norm() for w in weight])
    value = cross_entropy(logits(features, unit, backbone.logit_scale), labels)
    return value if multipliers is None else value + slow.penalty(weight, base, multipliers)


def slow_ends(backbone, name, tensors, epochs=4, lr=0.02):
    """The tensors at the end of every epoch."""
    data, base = golden.data_of(), slow_zero_shot(backbone, NAMES, PHOTO)
    multipliers = None if name == "zs_lp" else slow_multipliers(backbone, data)
    strengths, ends = torch.zeros(3), []
    weight, speed = tensors["weight"], None
    steps, rates = golden.epochs_of(data, 16, epochs, 5), learning_rates(epochs, lr)
    for number, (features, labels) in enumerate(steps):
        leaf = weight.clone().requires_grad_()
        loss = slow_loss(backbone, {"weight": leaf}, features, labels, multipliers)
        (gradient,) = torch.autograd.grad(loss, leaf)
        weight, speed = sgd_step(weight, gradient, speed, rates[number // 2], weight_decay=0.0)
        if number % 2 and name == "adaptive":
            multipliers, strengths = slow.outer_step(multipliers, strengths, weight, base)
        if number % 2:
            ends.append(weight)
    return ends


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_the_golden_number(tiny, written_down, name):
    method, data, (features, labels) = METHODS[name], golden.data_of(), batch(tiny)
    learner = start(method, tiny, data, init=plugin_of(method, given(tiny), tiny))
    multipliers = slow_multipliers(tiny, data) if name == "clap" else None
    theirs = float(slow_loss(tiny, given(tiny), features, labels, multipliers))
    assert theirs == pytest.approx(LOSSES[name], abs=2e-5)
    assert float(learner.loss(features, labels).detach()) == pytest.approx(theirs, abs=2e-5)


@pytest.mark.parametrize("name", PATHS)
def test_training_ends_at_the_golden_number(tiny, written_down, name):
    method = METHODS[name]
    ours = fit(method, tiny, golden.data_of(), init=plugin_of(method, given(tiny), tiny)).tensors
    theirs = {"weight": slow_ends(tiny, name, given(tiny))[-1]}
    assert ours.keys() == theirs.keys()
    torch.testing.assert_close(ours["weight"], theirs["weight"], rtol=0, atol=2e-5)
    for tensors in (ours, theirs):
        assert golden.digest(tensors) == pytest.approx(PATHS[name], abs=1e-3)


@pytest.mark.parametrize("name", HITS)
def test_the_validation_protocol_keeps_the_last_of_the_best_epochs(tiny, written_down, name):
    recipe = dataclasses.replace(SHORT, epochs=6, lr=0.1)
    data, method = golden.data_of(), dataclasses.replace(METHODS[name], protocol="validation", recipe=recipe)
    ends, features = slow_ends(tiny, name, given(tiny), 6, 0.1), golden.features("val", data.val.labels, 16)
    units = [weight / weight.norm(dim=-1, keepdim=True) for weight in ends]
    hits = [int((logits(features, u, 1.0).argmax(1) == data.val.labels).sum()) for u in units]
    best = max(i for i, n in enumerate(hits) if n == max(hits))
    assert hits == HITS[name]
    ours = fit(method, tiny, data, init=plugin_of(method, given(tiny), tiny)).tensors["weight"]
    torch.testing.assert_close(ours, ends[best], rtol=0, atol=5e-5)
    with pytest.raises(DataError, match="no validation images, and the epoch that is kept"):
        fit(method, tiny, without_validation(data))


CHANGES = golden.SGD_RECIPE | {
    "recipe.epochs": 5,
    "recipe.weight_decay": 1e-4,
    "recipe.batch_size": 6,
    "recipe.drop_last": False,
}
OWN = {"multipliers": "adaptive", "passes": 19}


def test_every_constant_is_changed_below():
    elsewhere = golden.ELSEWHERE | {"recipe.eps", "protocol"}
    assert golden.constants(PROBE) - set(CHANGES) == elsewhere
    assert golden.constants(METHOD) - set(CHANGES) - set(OWN) == elsewhere


@pytest.mark.parametrize("field", sorted(CHANGES | OWN))
def test_the_golden_path_notices_one_changed_constant(tiny, written_down, field):
    moved = golden.path_of(golden.change(METHOD, field, (CHANGES | OWN)[field]), tiny, golden.data_of(), given(tiny))
    assert abs(moved - PATHS["clap"]) > 2e-3


def test_both_start_from_the_text_features_as_the_tower_gives_them(tiny, written_down):
    for method in (PROBE, METHOD):
        started = start(method, tiny, golden.data_of()).parameters["weight"].detach()
        torch.testing.assert_close(started, slow_zero_shot(tiny, NAMES, PHOTO), rtol=0, atol=5e-6)


def test_the_classifier_reads_no_text_of_a_new_backbone(mini_old, mini_new):
    tensors = {"weight": torch.randn(3, 128)}
    old, new = (PROBE.class_weights(tensors, backbone, NAMES) for backbone in (mini_old, mini_new))
    assert torch.equal(old, new)


def test_settings_out_of_range_are_refused():
    with pytest.raises(UnknownNameError, match="protocol"):
        ZSLP(protocol="official")
    with pytest.raises(UnknownNameError, match="kind of multipliers"):
        CLAP(multipliers="adaptative")
    with pytest.raises(ConfigError, match="passes must be from 1"):
        CLAP(passes=0)


def test_the_defaults_are_the_published_ones():
    recipe = Recipe(lr=0.1, momentum=0.9, weight_decay=0.0, epochs=300, batch_size=256, warmup_epochs=1)
    assert ZSLP().recipe == CLAP().recipe == recipe
    assert (CLAP().multipliers, CLAP().passes, CLAP().protocol) == ("fixed", 20, "no-validation")
