"""Golden numbers of Tip-Adapter(-F): cache, logits, search and training, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.methods import tip_adapter
from clipcompat.methods.tip_adapter import TipAdapter, TipAdapterF
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.learners import PHOTO, batch, plugin_of, start
from tests.reference import tip_adapter as slow
from tests.reference.contcoop import cross_entropy
from tests.slow import slow_tip_adapter, slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES

METHOD = TipAdapter()
TRAINED = TipAdapterF(recipe=dataclasses.replace(TipAdapterF().recipe, lr=0.02, epochs=3, batch_size=5))
CROP = (0.5, 1.0)
TENSORS = {
    "keys": numbers((12, 16), 70, 0.4),
    "values": torch.eye(3).repeat(4, 1),
    "alpha": torch.tensor(2.0),
    "beta": torch.tensor(1.5),
}
LOGITS, CACHE, LOSS, PATH = 22184.17, 186.69203, 6.953800, 191.14605


def data_of(name="dtd"):
    """Named as a dataset whose alpha and search ranges are the code's."""
    return golden.data_of(name=name)


def slow_search(backbone, keys, values, features, labels, name="dtd"):
    """(alpha, beta) as tensors."""
    weights = slow_zero_shot(backbone, NAMES, PHOTO)
    score = slow.mixture_accuracy(features, labels, weights, keys, values)
    alpha, beta = slow.search(slow.grid(slow.SEARCH_SCALE[name]), score)
    return {"alpha": torch.tensor(alpha), "beta": torch.tensor(beta)}


def slow_cache(data):
    return slow.cache(golden.views(10, data.train.labels, 16, CROP), data.train.labels, 3)


def slow_loss(backbone, values, alpha, beta):
    """The loss of an epoch's batch, in the type of `values`."""
    dtype = values.dtype
    weights = slow_zero_shot(backbone, NAMES, PHOTO, dtype)

    def loss(tensors, features, labels):
        keys = tensors["keys"].to(dtype)
        return cross_entropy(slow.logits(features.to(dtype), weights, keys, values, alpha, beta), labels)

    return loss


def same(ours, theirs, atol):
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=atol, msg=name)


def test_the_logits_are_the_golden_number(tiny):
    features, _ = batch(tiny)
    expected = slow_tip_adapter(tiny, NAMES, TENSORS, features, PHOTO)
    for method in (METHOD, TRAINED):
        torch.testing.assert_close(method.logits(TENSORS, tiny, features, NAMES, PHOTO), expected, rtol=0, atol=5e-5)
    assert golden.digest({"": expected}) == pytest.approx(LOGITS, abs=0.1)


def test_cache_and_searched_mixture_are_the_golden_number(tiny, written_down):
    data = data_of()
    keys, values = slow_cache(data)
    features = golden.features("val", data.val.labels, 16)
    expected = {"keys": keys, "values": values, **slow_search(tiny, keys, values, features, data.val.labels)}
    ours = fit(METHOD, tiny, data).tensors
    same(ours, expected, 1e-6)
    for tensors in (ours, expected):
        assert golden.digest(tensors) == pytest.approx(CACHE, abs=1e-4)


def test_the_loss_is_the_golden_number(tiny, written_down):
    learner = start(TRAINED, tiny, data_of(), init=plugin_of(TRAINED, {"keys": TENSORS["keys"]}, tiny))
    values = slow_cache(data_of())[1].double()  # the reference is exact; the last digits of fp32 differ by CPU
    expected = slow_loss(tiny, values, alpha=2.0, beta=1.0)(TENSORS, *batch(tiny))
    assert float(expected.detach()) == pytest.approx(LOSS, abs=5e-7)
    assert float(learner.loss(*batch(tiny)).detach()) == pytest.approx(LOSS, abs=5e-6)


def trained_keys(backbone, data, alpha=2.0, lr=0.02):
    """Keys after each of three epochs, and the values. Views that went into the keys are not trained on."""
    keys, values = slow_cache(data)
    steps = golden.epochs_of(data, 16, 3, 5, CROP, drop_last=False, first=10)
    assert [len(labels) for _, labels in steps] == 3 * [5, 5, 2]
    rates = slow.learning_rates(12, epochs=3, lr=lr, batch_size=5)
    walk = golden.slow_walk({"keys": keys}, slow_loss(backbone, values, alpha, 1.0), steps, rates, slow.adamw_step)
    return [tensors["keys"] for tensors in walk][2::3], values


def test_training_ends_at_the_golden_number(tiny, written_down):
    data = data_of()
    (*_, keys), values = trained_keys(tiny, data)
    features = golden.features("val", data.val.labels, 16)
    expected = {"keys": keys, "values": values, **slow_search(tiny, keys, values, features, data.val.labels)}
    ours = fit(TRAINED, tiny, data).tensors
    same(ours, expected, 1e-5)
    for tensors in (ours, expected):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=1e-4)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_search_finds_the_first_best_pair_of_the_grid(seed):
    labels = torch.arange(20) % 3
    ways = numbers((3, 16), 80 + seed)  # classifier and cache both know something: few winners are on the edge
    weights, keys = ways + numbers((3, 16), 81 + seed), ways[torch.arange(9) % 3] + numbers((9, 16), 82 + seed)
    features = ways[labels] + numbers((20, 16), 83 + seed, 2.0)
    features, weights, keys = (rows / rows.norm(dim=-1, keepdim=True) for rows in (features, weights, keys))
    values, zero_shot = torch.eye(3).repeat(3, 1), 20 * features @ weights.T
    ours = tip_adapter.search_mixture(features, labels, zero_shot, keys, values, (12.0, 10.0))
    score = slow.mixture_accuracy(features, labels, weights, keys, values, scale=20.0)
    assert ours == pytest.approx(slow.search(slow.grid((12, 10)), score), rel=1e-9)


def test_a_search_that_never_hits_ends_at_the_zero_shot_classifier():
    f, wrong = torch.eye(2), torch.tensor([1, 0])
    none = tip_adapter.search_mixture(f, wrong, 20 * f, f, f, (12.0, 10.0))
    assert none == (0, 0) == slow.search(slow.grid((12, 10)), slow.mixture_accuracy(f, wrong, f, f, f, 20.0))


@pytest.mark.parametrize("name", slow.ALPHA)
def test_every_dataset_has_the_codes_alpha_and_search_ranges(tiny, written_down, monkeypatch, name):
    for data in (data_of(name), data_of(f"{name}[base]")):
        kept = fit(TipAdapter(search=False), tiny, data).tensors
        assert (kept["alpha"], kept["beta"]) == (torch.tensor(float(slow.ALPHA[name])), 1)
        with monkeypatch.context() as patch:
            patch.setattr(tip_adapter, "search_mixture", lambda *args: args[-1])
            asked = fit(METHOD, tiny, data).tensors
        assert (asked["alpha"], asked["beta"]) == slow.SEARCH_SCALE[name]


def slow_official(backbone, data, name):
    """The best epoch on test pictures, or the mixture searched for it, whichever is better there; and which it was."""
    alpha = float(slow.ALPHA[name])
    after, values = trained_keys(backbone, data, alpha, lr=0.5)
    seen = {part: golden.features(part, getattr(data, part).labels, 16) for part in ("val", "test")}
    weights = slow_zero_shot(backbone, NAMES, PHOTO)

    def reached(tensors):
        return slow.accuracy(slow.logits(seen["test"], weights, **tensors), data.test.labels)

    every = [{"keys": k, "values": values, "alpha": torch.tensor(alpha), "beta": torch.tensor(1.0)} for k in after]
    hits = [reached(tensors) for tensors in every]
    epoch = hits.index(max(hits))
    where = "test" if name == "imagenet" else "val"
    labels = getattr(data, where).labels
    searched = every[epoch] | slow_search(backbone, after[epoch], values, seen[where], labels, name)
    better = reached(searched) > hits[epoch]
    return (searched if better else every[epoch]), (epoch, better)


@pytest.mark.parametrize(("name", "how"), [("dtd", (0, True)), ("imagenet", (1, True)), ("oxford_flowers", (0, False))])
def test_the_official_protocol_selects_on_test_pictures(tiny, written_down, name, how):
    data = data_of(name)
    method = dataclasses.replace(golden.change(TRAINED, "recipe.lr", 0.5), protocol="official")
    expected, found = slow_official(tiny, data, name)
    assert found == how
    same(fit(method, tiny, data, select_on=data.test).tensors, expected, 1e-5)


def test_without_training_only_imagenet_is_searched_on_test_pictures(tiny, written_down):
    for name, where in (("dtd", "val"), ("imagenet", "test")):
        data = data_of(name)
        seen, labels = golden.features(where, getattr(data, where).labels, 16), getattr(data, where).labels
        wanted = slow_search(tiny, *slow_cache(data), seen, labels, name)
        found = fit(golden.change(METHOD, "protocol", "official"), tiny, data, select_on=data.test).tensors
        assert wanted == {n: found[n] for n in wanted}


CHANGES = {"alpha": 2.1, "beta": 1.1, "passes": 9, "search": False, "search_scale": (13.0, 12.9), "scale": 99.0}
RECIPE = {
    "recipe.optimizer": "sgd",
    "recipe.lr": 0.0201,
    "recipe.eps": 1.1e-4,
    "recipe.weight_decay": 9e-3,
    "recipe.epochs": 4,
    "recipe.max_steps": 3,
    "recipe.batch_size": 6,
    "recipe.drop_last": True,
    "recipe.schedule": "epoch",
    "recipe.crop": (0.51, 1.0),
}
WITHOUT_EFFECT = {"recipe.momentum", "recipe.warmup_epochs", "recipe.warmup_lr"}  # of AdamW and of rates by the step
SEPARATE = {"protocol"}  # tested above


def test_every_constant_is_changed_below():
    assert golden.constants(TRAINED) - set(CHANGES | RECIPE) == WITHOUT_EFFECT | SEPARATE | golden.ELSEWHERE
    assert {n for n in golden.constants(METHOD) if "recipe" not in n} == set(CHANGES) | SEPARATE


@pytest.mark.parametrize("field", sorted(CHANGES | RECIPE))
def test_the_golden_path_notices_one_changed_constant(tiny, written_down, field):
    moved = golden.path_of(golden.change(TRAINED, field, (CHANGES | RECIPE)[field]), tiny, data_of())
    assert abs(moved - PATH) > 2e-4


@pytest.mark.parametrize("field", ["passes", "search", "search_scale", "recipe.crop"])
def test_the_golden_cache_notices_one_changed_constant(tiny, written_down, field):
    moved = golden.path_of(golden.change(METHOD, field, (CHANGES | RECIPE)[field]), tiny, data_of())
    assert abs(moved - CACHE) > 2e-4


def test_the_golden_cache_notices_another_start_where_nothing_is_searched(tiny, written_down):
    plain = golden.change(METHOD, "search", False)
    for field in ("alpha", "beta"):
        moved = fit(golden.change(plain, field, CHANGES[field]), tiny, data_of()).tensors
        assert float(moved[field]) == pytest.approx(CHANGES[field])


@pytest.mark.parametrize("steps", [(199, 20), (200, 19)])
def test_the_golden_cache_notices_another_grid(tiny, written_down, monkeypatch, steps):
    monkeypatch.setattr(tip_adapter, "_STEPS", steps)
    assert abs(golden.path_of(METHOD, tiny, data_of()) - CACHE) > 2e-4


def test_the_golden_logits_notice_another_scale_alpha_or_beta(tiny):
    features, _ = batch(tiny)
    for method, tensors in (
        (golden.change(METHOD, "scale", 99.99), TENSORS),
        (golden.change(METHOD, "scale", None), TENSORS),
        (METHOD, TENSORS | {"alpha": torch.tensor(2.01)}),
        (METHOD, TENSORS | {"beta": torch.tensor(1.51)}),
    ):
        assert abs(golden.digest({"": method.logits(tensors, tiny, features, NAMES, PHOTO)}) - LOGITS) > 0.2


def test_eurosat_trains_five_times_as_long():
    recipe = TipAdapterF().recipe
    assert [recipe.epochs_for(name, 16, 160) for name in ("eurosat", "eurosat[base]", "dtd", "imagenet")] == [
        100,
        100,
        20,
        20,
    ]


def test_the_defaults_are_the_published_ones():
    for method in (TipAdapter(), TipAdapterF()):
        assert (method.alpha, method.beta, method.passes, method.scale) == (None, 1.0, 10, 100.0)
        assert (method.search, method.search_scale, method.protocol) == (True, None, "clean")
    assert TipAdapter().recipe.crop == CROP
    assert TipAdapterF().recipe == Recipe(
        optimizer="adamw",
        lr=1e-3,
        eps=1e-4,
        weight_decay=0.01,
        epochs=20,
        eurosat_epochs=100,
        batch_size=256,
        drop_last=False,
        schedule="step",
        warmup_epochs=0,
        crop=CROP,
    )
