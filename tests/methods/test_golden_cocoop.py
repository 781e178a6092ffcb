"""Golden numbers of CoCoOp: its logits, its loss and a whole training, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.methods.cocoop import CoCoOp
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.learners import PHOTO, batch, plugin_of, start
from tests.reference.cocoop import meta_net
from tests.reference.contcoop import cross_entropy
from tests.reference.dassl import learning_rates
from tests.slow import slow_cocoop, state_of
from tests.tiny import numbers
from tests.toys import NAMES

METHOD = CoCoOp(reduction=4, recipe=dataclasses.replace(CoCoOp().recipe, lr=0.1, epochs=2))
TENSORS = {
    "ctx": numbers((4, 16), 40, 0.1),
    "meta_net.linear1.weight": numbers((4, 16), 41, 0.5),
    "meta_net.linear1.bias": numbers((4,), 42, 0.2),
    "meta_net.linear2.weight": numbers((16, 4), 43, 0.5),
    "meta_net.linear2.bias": numbers((16,), 44, 0.2),
}
LOGITS, LOSS, PATH = 837.2083, 3.716822, 10.585518


def loss_of(method, backbone, tensors=TENSORS):
    learner = start(method, backbone, init=plugin_of(method, tensors, backbone))
    return float(learner.loss(*batch(backbone, 3)).detach())


def slow_loss(backbone):
    return lambda tensors, features, labels: cross_entropy(slow_cocoop(backbone, NAMES, tensors, features), labels)


def test_the_logits_are_the_golden_number(tiny):
    features, _ = batch(tiny)
    slow = slow_cocoop(tiny, NAMES, TENSORS, features)
    torch.testing.assert_close(METHOD.logits(TENSORS, tiny, features, NAMES, PHOTO), slow, rtol=0, atol=1e-5)
    assert golden.digest({"": slow}) == pytest.approx(LOGITS, abs=1e-3)
    hidden = torch.stack([TENSORS["meta_net.linear1.weight"] @ f / f.norm() for f in features])
    on = hidden + TENSORS["meta_net.linear1.bias"] > 0
    assert on.any() and not on.all()  # so that the ReLU shows


def test_the_loss_and_its_gradients_are_the_references(tiny):
    learner = start(METHOD, tiny, init=plugin_of(METHOD, TENSORS, tiny))
    leaves = {name: value.clone().requires_grad_() for name, value in TENSORS.items()}
    expected, loss = slow_loss(tiny)(leaves, *batch(tiny, 3)), learner.loss(*batch(tiny, 3))
    assert float(expected.detach()) == pytest.approx(LOSS, abs=5e-6)
    assert float(loss.detach()) == pytest.approx(LOSS, abs=5e-6)
    ours = torch.autograd.grad(loss, list(learner.parameters.values()))
    theirs = torch.autograd.grad(expected, list(leaves.values()))
    assert list(learner.parameters) == list(leaves)
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() < 1e-4 * b.abs().max()


def test_training_on_single_images_ends_at_the_golden_number(tiny, written_down):
    data = golden.data_of(per_class=1)
    steps = golden.epochs_of(data, 16, epochs=2, size=1)
    assert [len(labels) for _, labels in steps] == [1] * 6
    rates = [rate for rate in learning_rates(2, 0.1) for _ in range(3)]
    slow = golden.slow_path(TENSORS, slow_loss(tiny), steps, rates)
    ours = fit(METHOD, tiny, data, init=plugin_of(METHOD, TENSORS, tiny)).tensors
    for name, value in slow.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-5)
    for tensors in (ours, slow):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=1e-4)


CHANGES = golden.SGD_RECIPE | {"recipe.batch_size": 2, "recipe.max_steps": 3}
WITHOUT_EFFECT = {"recipe.eps", "recipe.drop_last"}  # batches of one image are never incomplete
STARTS = {"n_ctx", "ctx_init", "reduction"}  # tested below


def test_every_constant_is_changed_below():
    assert golden.constants(METHOD) - set(CHANGES) == WITHOUT_EFFECT | STARTS | golden.ELSEWHERE


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_golden_path_notices_one_changed_constant(tiny, written_down, field):
    data = golden.data_of(per_class=1)
    moved = golden.path_of(golden.change(METHOD, field, CHANGES[field]), tiny, data, TENSORS)
    assert abs(moved - PATH) > 2e-4


@pytest.mark.parametrize("name", TENSORS)
def test_the_golden_loss_notices_every_tensor(tiny, name):
    assert abs(loss_of(METHOD, tiny, {**TENSORS, name: 1.01 * TENSORS[name]}) - LOSS) > 2e-5


def test_the_length_of_an_image_feature_does_not_matter(tiny):
    features, _ = batch(tiny)
    torch.testing.assert_close(meta_net(7 * features[0], TENSORS), meta_net(features[0], TENSORS))
    scores = METHOD.logits(TENSORS, tiny, features, NAMES, PHOTO)
    torch.testing.assert_close(METHOD.logits(TENSORS, tiny, 7 * features, NAMES, PHOTO), scores, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("method", "hidden"), [(CoCoOp(), 8), (METHOD, 32)])
def test_the_meta_net_starts_as_linear_layers_do(mini_old, method, hidden):
    start_values = start(method, mini_old).parameters
    assert {n: list(p.shape) for n, p in start_values.items()} == {
        "ctx": [4, 128],
        "meta_net.linear1.weight": [hidden, 128],
        "meta_net.linear1.bias": [hidden],
        "meta_net.linear2.weight": [128, hidden],
        "meta_net.linear2.bias": [128],
    }
    for name, inputs in (("linear1", 128), ("linear2", hidden)):
        for part in ("weight", "bias"):
            p = start_values[f"meta_net.{name}.{part}"].detach()
            assert p.abs().max() <= inputs**-0.5
            assert float(p.pow(2).mean().sqrt()) == pytest.approx((3 * inputs) ** -0.5, rel=2 / p.numel() ** 0.5)


def test_the_context_starts_as_the_words_or_as_noise(tiny, mini_old):
    table = state_of(tiny)["token_embedding.weight"]
    assert torch.equal(start(METHOD, tiny).parameters["ctx"], table[tiny.tokenizer.encode("a photo of a")])
    noise = start(dataclasses.replace(METHOD, ctx_init=None, n_ctx=12), mini_old).parameters["ctx"].detach()
    assert noise.shape == (12, 128) and float(noise.std()) == pytest.approx(0.02, rel=0.1)


def test_the_defaults_are_the_published_ones():
    assert (CoCoOp().n_ctx, CoCoOp().ctx_init, CoCoOp().reduction) == (4, "a photo of a", 16)
    assert CoCoOp().recipe == Recipe(epochs=10, batch_size=1)
