"""Golden numbers of CLIP-Adapter: its logits, its loss and a whole training, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.learners import PHOTO, batch, plugin_of, start
from tests.reference.clip_adapter import logits
from tests.reference.contcoop import cross_entropy
from tests.reference.dassl import learning_rates
from tests.reference.tip_adapter import accuracy
from tests.slow import slow_clip_adapter, slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES

METHOD = CLIPAdapter(recipe=dataclasses.replace(CLIPAdapter().recipe, lr=0.1, epochs=3, batch_size=5))
TENSORS = {"fc.0.weight": numbers((4, 16), 20, 0.5), "fc.2.weight": numbers((16, 4), 21, 0.5)}
LOGITS, LOSS, PATH, RATIO = 909.7339, 2.004958, 3.321739, 0.7


def loss_of(method, backbone):
    learner = start(method, backbone, init=plugin_of(method, TENSORS, backbone))
    return float(learner.loss(*batch(backbone)).detach())


def slow_loss(backbone):
    return lambda t, f, labels: cross_entropy(slow_clip_adapter(backbone, NAMES, t, f, PHOTO, 0.2), labels)


def test_the_logits_are_the_golden_number(tiny):
    features, _ = batch(tiny)
    slow = slow_clip_adapter(tiny, NAMES, TENSORS, features, PHOTO, 0.2)
    ours = METHOD.logits({**TENSORS, "ratio": torch.tensor(0.2)}, tiny, features, NAMES, PHOTO)
    torch.testing.assert_close(ours, slow, rtol=0, atol=1e-5)
    assert golden.digest({"": slow}) == pytest.approx(LOGITS, abs=1e-3)


def test_the_loss_is_the_golden_number(tiny):
    assert float(slow_loss(tiny)(TENSORS, *batch(tiny))) == pytest.approx(LOSS, abs=5e-6)
    assert loss_of(METHOD, tiny) == pytest.approx(LOSS, abs=5e-6)


def test_training_ends_at_the_golden_number(tiny, written_down):
    data = golden.data_of()
    steps = golden.epochs_of(data, 16, epochs=3, size=5)
    assert [len(labels) for _, labels in steps] == [5] * 6  # twelve images; two are left out in every epoch
    rates = [rate for rate in learning_rates(3, 0.1) for _ in range(2)]
    slow = golden.slow_path(TENSORS, slow_loss(tiny), steps, rates)
    ours = fit(METHOD, tiny, data, init=plugin_of(METHOD, TENSORS, tiny)).tensors
    assert set(ours) == {*TENSORS, "ratio"} and ours["ratio"] == torch.tensor(0.2)
    for name, value in slow.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-5)
    for tensors in (ours, {**slow, "ratio": torch.tensor(0.2)}):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=1e-4)


def test_the_searched_ratio_is_the_first_of_most_validation_hits(tiny, written_down):
    data = golden.data_of()
    maps = numbers((4, 16), 31), numbers((16, 4), 32)  # with these the winner has ties and is neither end
    method = golden.change(METHOD, "search", True)
    init = plugin_of(method, dict(zip(TENSORS, maps, strict=True)), tiny)
    found = start(method, tiny, data, init=init).finish()["ratio"]
    features, weights = golden.features("val", data.val.labels, 16), slow_zero_shot(tiny, NAMES, PHOTO)
    hits = [accuracy(logits(features, *maps, weights, 1.0, i / 10), data.val.labels) for i in range(11)]
    assert float(found) == pytest.approx(hits.index(max(hits)) / 10, abs=1e-6)
    assert float(found) == pytest.approx(RATIO, abs=1e-6)


CHANGES = golden.SGD_RECIPE | {
    "recipe.batch_size": 6,
    "recipe.drop_last": False,
    "ratio": 0.21,
    "search": True,
    "reduction": 5,
}


def test_every_constant_is_changed_below():
    assert golden.constants(METHOD) - set(CHANGES) == {"recipe.eps"} | golden.ELSEWHERE


@pytest.mark.parametrize("field", sorted(set(CHANGES) - {"reduction"}))
def test_the_golden_path_notices_one_changed_constant(tiny, written_down, field):
    moved = golden.path_of(golden.change(METHOD, field, CHANGES[field]), tiny, golden.data_of(), TENSORS)
    assert abs(moved - PATH) > 2e-4


def test_the_golden_loss_notices_another_ratio(tiny):
    assert abs(loss_of(golden.change(METHOD, "ratio", 0.201), tiny) - LOSS) > 2e-5


@pytest.mark.parametrize(("method", "hidden"), [(METHOD, 32), (golden.change(METHOD, "reduction", 5), 25)])
def test_the_adapter_starts_as_linear_layers_do(mini_old, method, hidden):
    start_values = start(method, mini_old).parameters
    assert {n: list(p.shape) for n, p in start_values.items()} == {
        "fc.0.weight": [hidden, 128],
        "fc.2.weight": [128, hidden],
    }
    for p in start_values.values():
        bound = p.shape[1] ** -0.5
        assert 0.99 * bound < p.detach().abs().max() <= bound  # uniform up to its end
        assert float(p.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.05)


def test_the_defaults_are_the_published_ones():
    assert (CLIPAdapter().ratio, CLIPAdapter().reduction, CLIPAdapter().search) == (0.2, 4, False)
    assert CLIPAdapter().recipe == Recipe()
