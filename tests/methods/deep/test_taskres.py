"""TaskRes: logits, loss and a whole training, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.methods.deep.taskres import TaskRes, residual_scale
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.deep.made import without_validation
from tests.methods.learners import PHOTO, batch, plugin_of, start
from tests.reference.contcoop import cross_entropy, logits
from tests.reference.dassl import learning_rates
from tests.reference.taskres import adam_step, class_vectors
from tests.slow import slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES

METHOD = TaskRes(recipe=dataclasses.replace(TaskRes().recipe, lr=0.1, epochs=3, batch_size=5))
TENSORS = {"residual": numbers((3, 16), 20, 2.0)}
LOGITS, LOSS, PATH = 844.0112, 3.666586, 76.268019


def slow_logits(backbone, tensors, features, alpha=0.5):
    weights = class_vectors(slow_zero_shot(backbone, NAMES, PHOTO), tensors["residual"], alpha)
    return logits(features, weights, backbone.logit_scale)


def slow_walk(backbone, epochs=3, alpha=0.5, lr=0.1, tensors=TENSORS):
    data = golden.data_of()
    steps = golden.epochs_of(data, 16, epochs=epochs, size=5)
    rates = [rate for rate in learning_rates(epochs, lr) for _ in range(2)]
    loss = lambda t, f, y: cross_entropy(slow_logits(backbone, t, f, alpha), y)  # noqa: E731
    return list(golden.slow_walk(tensors, loss, steps, rates, adam_step))


def test_the_logits_are_the_golden_number(tiny):
    features, _ = batch(tiny)
    slow = slow_logits(tiny, TENSORS, features)
    ours = METHOD.logits({**TENSORS, "alpha": torch.tensor(0.5)}, tiny, features, NAMES, PHOTO)
    torch.testing.assert_close(ours, slow, rtol=0, atol=1e-5)
    assert golden.digest({"": slow}) == pytest.approx(LOGITS, abs=1e-3)


def test_the_loss_is_the_golden_number(tiny):
    features, labels = batch(tiny)
    learner = start(METHOD, tiny, init=plugin_of(METHOD, TENSORS, tiny))
    slow = float(cross_entropy(slow_logits(tiny, TENSORS, features), labels))
    assert slow == pytest.approx(LOSS, abs=5e-6)
    assert float(learner.loss(features, labels).detach()) == pytest.approx(slow, abs=5e-6)


def test_training_ends_at_the_golden_number(tiny, written_down):
    ours = fit(METHOD, tiny, golden.data_of(), init=plugin_of(METHOD, TENSORS, tiny)).tensors
    slow = {**slow_walk(tiny)[-1], "alpha": torch.tensor(0.5)}
    assert ours.keys() == slow.keys()
    for name, value in slow.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-5)
    for tensors in (ours, slow):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=1e-3)


def test_the_validation_protocol_keeps_the_last_of_the_best_epochs(tiny, written_down):
    data = golden.data_of()
    recipe = dataclasses.replace(METHOD.recipe, epochs=6, lr=1.0)
    method, tensors = TaskRes(protocol="validation", recipe=recipe), {"residual": numbers((3, 16), 21, 3.0)}
    ends = slow_walk(tiny, 6, lr=1.0, tensors=tensors)[1::2]
    features = golden.features("val", data.val.labels, 16)
    found = [slow_logits(tiny, end, features).argmax(1) for end in ends]
    hits = [int((f == data.val.labels).sum()) for f in found]
    best = max(i for i, n in enumerate(hits) if n == max(hits))
    assert hits == [0, 1, 2, 4, 3, 3]
    ours = fit(method, tiny, data, init=plugin_of(method, tensors, tiny)).tensors["residual"]
    torch.testing.assert_close(ours, ends[best]["residual"], rtol=0, atol=2e-5)
    with pytest.raises(DataError, match="no validation images, and the epoch that is kept"):
        fit(method, tiny, without_validation(data))


CHANGES = golden.SGD_RECIPE | {
    "recipe.optimizer": "sgd",
    "recipe.batch_size": 6,
    "recipe.drop_last": False,
    "recipe.eps": 1e-2,
    "recipe.weight_decay": 4e-3,
    "alpha": 0.51,
    "protocol": "validation",
}


def test_every_constant_is_changed_below():
    assert golden.constants(METHOD) - set(CHANGES) == golden.ELSEWHERE


@pytest.mark.parametrize("field", sorted(set(CHANGES) - {"protocol", "recipe.momentum"}))
def test_the_golden_path_notices_one_changed_constant(tiny, written_down, field):
    moved = golden.path_of(golden.change(METHOD, field, CHANGES[field]), tiny, golden.data_of(), TENSORS)
    assert abs(moved - PATH) > 1e-2


def test_it_starts_from_the_zero_shot_classifier_and_learns_at_a_tenth_of_the_rate_on_imagenet(tiny):
    learner, imagenet = start(METHOD, tiny), start(METHOD, tiny, golden.data_of(name="imagenet"))
    assert not learner.parameters["residual"].any()
    assert (learner.options, imagenet.options) == ({}, {"residual": {"lr_scale": 0.1}})
    tensors = {"residual": torch.zeros(3, 16), "alpha": torch.tensor(0.5)}
    zero_shot = slow_zero_shot(tiny, NAMES, PHOTO)
    weights = METHOD.class_weights(tensors, tiny, NAMES, PHOTO)
    torch.testing.assert_close(weights, zero_shot / zero_shot.norm(dim=-1, keepdim=True), rtol=0, atol=1e-6)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="alpha scales the residual and must be positive"):
        TaskRes(alpha=0.0)
    with pytest.raises(UnknownNameError, match="protocol"):
        TaskRes(protocol="official")


def test_the_defaults_are_the_published_ones():
    assert [residual_scale(d) for d in ("dtd", "oxford_flowers", "oxford_flowers[base]", None)] == [0.5, 1.0, 1.0, 0.5]
    assert TaskRes().recipe == Recipe(optimizer="adam", lr=2e-3, weight_decay=5e-4, epochs=200, batch_size=256)
    assert TaskRes().protocol == "no-validation"
