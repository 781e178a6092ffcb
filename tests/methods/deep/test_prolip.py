"""ProLIP: logits, loss and whole trainings, by the slow reference and frozen; and what of it is carried."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.methods.deep.prolip import ProLIP
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.deep.made import without_validation
from tests.methods.learners import PHOTO, plugin_of, start
from tests.reference import prolip as slow
from tests.reference.contcoop import cross_entropy, logits
from tests.reference.dassl import cosine_per_step
from tests.reference.taskres import adam_step
from tests.slow import slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES, toy_dataset, toy_split

METHOD = ProLIP(scale=20.0, recipe=dataclasses.replace(ProLIP().recipe, lr=0.05, epochs=4))
TENSORS = {"projection": numbers((8, 16), 20)}
LOGITS, LOSS, PATH = 461.3422, 8.530045, 18.737395


def hidden(count=5):
    return numbers((count, 8), 3, 2.0), torch.arange(count) % len(NAMES)


def own(backbone):
    """The tower's own projection."""
    return backbone._model.visual.proj.detach()


def slow_logits(backbone, matrix, seen):
    weights = slow_zero_shot(backbone, NAMES, PHOTO)
    unit = torch.stack([w / w.norm() for w in weights])
    return logits(slow.features(seen, matrix), unit, 20.0)


def slow_loss(backbone, tensors, seen, labels, pull=0.25):
    matrix = tensors["projection"]
    value = cross_entropy(slow_logits(backbone, matrix, seen), labels)
    return value + slow.penalty(matrix, own(backbone), pull)


def slow_ends(backbone, tensors=TENSORS, epochs=4, lr=0.05):
    """The tensors after every epoch of one step; 4 pictures per class, so λ is 1/4."""
    steps = golden.epochs_of(golden.data_of(), 8, epochs, 12, (0.5, 1.0))
    step = lambda *a: adam_step(*a, weight_decay=0.0, eps=1e-4)  # noqa: E731
    loss = lambda t, f, y: slow_loss(backbone, t, f, y)  # noqa: E731
    return list(golden.slow_walk(tensors, loss, steps, cosine_per_step(epochs, lr), step))


def test_the_logits_are_the_golden_number(tiny):
    theirs = slow_logits(tiny, TENSORS["projection"], hidden()[0])
    ours = METHOD.logits(TENSORS, tiny, hidden()[0], NAMES, PHOTO)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)
    assert golden.digest({"": theirs}) == pytest.approx(LOGITS, abs=1e-2)


def test_the_loss_is_the_golden_number(tiny):
    learner = start(METHOD, tiny, init=plugin_of(METHOD, TENSORS, tiny))
    theirs = float(slow_loss(tiny, TENSORS, *hidden()))
    assert theirs == pytest.approx(LOSS, abs=5e-5)
    assert float(learner.loss(*hidden()).detach()) == pytest.approx(theirs, abs=5e-5)


def test_training_ends_at_the_golden_number(tiny, written_down):
    ours = fit(METHOD, tiny, golden.data_of(), init=plugin_of(METHOD, TENSORS, tiny)).tensors
    theirs = slow_ends(tiny)[-1]
    torch.testing.assert_close(ours["projection"], theirs["projection"], rtol=0, atol=2e-5)
    for tensors in (ours, theirs):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=1e-3)


def test_the_difference_is_trained_to_the_same_place(tiny, written_down):
    data, changed = golden.data_of(), dataclasses.replace(METHOD, carried="difference")
    whole, part = fit(METHOD, tiny, data), fit(changed, tiny, data)
    torch.testing.assert_close(part.tensors["difference"] + own(tiny), whole.tensors["projection"], rtol=0, atol=1e-5)
    assert part.tensors["difference"].abs().max() > 0.01


def test_a_projection_replaces_that_of_new_and_a_difference_is_added_to_it(mini_old, mini_new):
    seen, text = torch.randn(4, 128), mini_new.encode_text([PHOTO.format(name) for name in NAMES])
    matrix, (own_matrix, bias) = torch.randn(128, 128), mini_new.projection
    assert bias is not None and mini_old.projection[1] is None
    expected = {"projection": seen @ matrix + bias, "difference": seen @ (own_matrix + matrix) + bias}
    for carried, features in expected.items():
        method = ProLIP(carried=carried, scale=None)
        found = method.logits({carried: matrix}, mini_new, seen, NAMES, PHOTO)
        theirs = logits(features, text, mini_new.logit_scale)
        torch.testing.assert_close(found, theirs, rtol=1e-4, atol=1e-3)


def test_untrained_it_is_the_zero_shot_classifier_of_whatever_backbone(mini_old, mini_new):
    split = toy_split("test", 2)
    from clipcompat.methods.zero_shot import ZeroShot

    for backbone in (mini_old, mini_new):
        tensors = {"difference": torch.zeros(128, 128)}
        plugin = plugin_of(ProLIP(carried="difference", scale=None), tensors, mini_old)
        plain = plugin_of(ZeroShot(), {}, mini_old)
        torch.testing.assert_close(plugin.logits(backbone, split), plain.logits(backbone, split), rtol=1e-4, atol=1e-4)


def test_where_widths_differ_the_answer_says_which(mini_old):
    large = load_backbone("mini-large-old", seed=1, device="cpu")
    plugin = plugin_of(ProLIP(), {"projection": torch.zeros(128, 128)}, mini_old)
    assert plugin.match(large).why == (
        "prolip cannot act on mini-large-old: its projection leads from 128 hidden channels to 128, and that of this "
        "tower from 160 to 160."
    )
    assert plugin.match(mini_old, ["any", "other names"]).kind == "exact"  # the projection knows no class


def test_the_validation_protocol_keeps_the_last_of_the_best_epochs(tiny, written_down):
    data = golden.data_of()
    recipe = dataclasses.replace(METHOD.recipe, epochs=8, lr=0.3)
    method = dataclasses.replace(METHOD, recipe=recipe, protocol="validation")
    ends, seen = slow_ends(tiny, TENSORS, 8, 0.3), golden.features("val", data.val.labels, 8)
    found = [slow_logits(tiny, end["projection"], seen).argmax(1) for end in ends]
    hits = [int((f == data.val.labels).sum()) for f in found]
    assert len(set(hits)) > 1
    best = max(i for i, n in enumerate(hits) if n == max(hits))
    ours = fit(method, tiny, data, init=plugin_of(method, TENSORS, tiny)).tensors["projection"]
    torch.testing.assert_close(ours, ends[best]["projection"], rtol=0, atol=5e-5)
    with pytest.raises(DataError, match="no validation images, and the epoch that is kept"):
        fit(method, tiny, without_validation(data))


CHANGES = {
    "pull": 0.26,
    "scale": 19.0,
    "recipe.weight_decay": 1e-2,
    "recipe.lr": 0.051,
    "recipe.eps": 1e-2,
    "recipe.epochs": 5,
    "recipe.max_steps": 2,
    "recipe.batch_size": 6,
    "recipe.crop": (0.4, 1.0),
}


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_golden_path_notices_one_changed_constant(tiny, written_down, field):
    moved = golden.path_of(golden.change(METHOD, field, CHANGES[field]), tiny, golden.data_of(), TENSORS)
    assert abs(moved - PATH) > 4e-3


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"carried": "factors"}, UnknownNameError, "carried part"),
        ({"protocol": "official"}, UnknownNameError, "protocol"),
        ({"pull": -1.0}, ConfigError, "pull must be 0 or more"),
        ({"scale": 0.0}, ConfigError, "scale must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(settings, error, says):
    with pytest.raises(error, match=says):
        ProLIP(**settings)


def test_the_pull_is_one_by_the_shots(mini_old):
    learner = start(ProLIP(), mini_old, toy_dataset(8))
    weaker = start(ProLIP(pull=0.0), mini_old, toy_dataset(8))
    with torch.no_grad():
        for each in (learner, weaker):
            each.parameters["projection"] += 1
    seen, labels = torch.randn(3, 128), torch.arange(3)
    gap = float(learner.loss(seen, labels).detach() - weaker.loss(seen, labels).detach())
    assert gap == pytest.approx(128 * 128 / 8, rel=1e-4)


def test_the_defaults_are_the_published_ones():
    settings = {"optimizer": "adam", "lr": 1e-5, "eps": 1e-4, "weight_decay": 0.0, "epochs": 300}
    assert ProLIP().recipe == Recipe(**settings, batch_size=10**9, schedule="step", warmup_epochs=0, crop=(0.5, 1.0))
    assert (ProLIP().pull, ProLIP().carried, ProLIP().scale) == (None, "projection", 100.0)
