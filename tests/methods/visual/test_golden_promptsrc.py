"""Golden numbers of PromptSRC: its loss and a whole training, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
import torch

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.methods.visual.promptsrc import PromptSRC, gaussian, reference_templates
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.learners import PHOTO, plugin_of, same_gradients, start, tensors_of
from tests.reference import promptsrc, templates
from tests.reference.contcoop import logits
from tests.reference.dassl import learning_rates, sgd_step
from tests.slow import slow_deep_text, slow_ensemble, slow_images, slow_zero_shot, state_of
from tests.tiny import numbers
from tests.toys import NAMES

METHOD = PromptSRC(
    templates="data",
    gpa_mean=0.6,
    gpa_std=0.4,
    recipe=dataclasses.replace(PromptSRC().recipe, lr=0.02, weight_decay=0.05, epochs=3, batch_size=5),
)
TENSORS = {
    "ctx": numbers((4, 16), 30, 0.1),
    "visual": numbers((4, 8), 31, 0.4),
    "deep": numbers((2, 4, 16), 33, 0.4),
    "deep_visual": numbers((2, 4, 8), 34, 0.4),
}
PIXELS, LABELS = golden.pixels(1, torch.tensor([0, 1, 2, 0, 1]), 8)[0], torch.tensor([0, 1, 2, 0, 1])
LOGITS, LOSS, PATH = 400.9336, 4.658155, 27.015314


def slow_features(backbone, tensors, pixels):
    seen = slow_images(backbone, pixels, [tensors["visual"], *tensors.get("deep_visual", ())])
    return seen, slow_deep_text(backbone, NAMES, "a photo of a", tensors["ctx"], tensors.get("deep", ()))


def slow_loss(backbone, tensors, pixels, labels):
    f, t = slow_features(backbone, tensors, pixels)
    t0 = slow_zero_shot(backbone, NAMES, PHOTO)
    return promptsrc.loss(f, slow_images(backbone, pixels), t, t0, labels, backbone.logit_scale)


def loss_of(method, backbone):
    learner = start(method, backbone, golden.data_of(), init=plugin_of(method, TENSORS, backbone))
    return float(learner.loss(PIXELS, LABELS).detach())


def test_the_logits_are_the_golden_number(tiny_deep):
    (seeing,) = METHOD.image_towers(TENSORS, tiny_deep)
    slow = logits(*slow_features(tiny_deep, TENSORS, PIXELS), tiny_deep.logit_scale)
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
    torch.testing.assert_close(loss, slow, rtol=0, atol=1e-5)
    same_gradients(learner, loss, slow, leaves)


def test_the_loss_is_the_golden_number(tiny_deep):
    assert float(slow_loss(tiny_deep, TENSORS, PIXELS, LABELS)) == pytest.approx(LOSS, abs=1e-5)
    assert loss_of(METHOD, tiny_deep) == pytest.approx(LOSS, abs=1e-5)


def test_training_ends_at_the_golden_number(tiny_deep, seen_pixels):
    data = golden.data_of()
    steps = golden.pixel_epochs_of(data, 3, 5)
    rates = [rate for rate in learning_rates(3, 0.02) for _ in range(2)]
    walk = golden.slow_walk(TENSORS, partial(slow_loss, tiny_deep), steps, rates, partial(sgd_step, weight_decay=0.05))
    slow = promptsrc.mean_over_epochs(list(walk)[1::2], 0.6 * 3, 0.4 * 3)
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
    "text_weight": 23.0,
    "image_weight": 9.0,
    "logits_weight": 0.5,
    "gpa_mean": 0.7,
    "gpa_std": 0.35,
}
STARTS = {"n_ctx", "ctx_init", "depth", "templates"}  # tested below and above


def test_every_constant_is_changed_below():
    assert golden.constants(METHOD) - set(CHANGES) == {"recipe.eps"} | STARTS | golden.ELSEWHERE


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_golden_path_notices_one_changed_constant(tiny_deep, seen_pixels, field):
    moved = golden.path_of(golden.change(METHOD, field, CHANGES[field]), tiny_deep, golden.data_of(), TENSORS)
    assert abs(moved - PATH) > 2e-4


def test_the_reference_text_is_of_the_sixty_published_sentences_or_of_the_data_s_own(mini_old):
    assert sorted(reference_templates()) == sorted(templates.PROMPTSRC) and len(set(templates.PROMPTSRC)) == 60
    data = golden.data_of(template="a blurry {}.")
    names = data.classnames
    own = PromptSRC(templates="data").target(mini_old, data)
    torch.testing.assert_close(own, slow_ensemble(mini_old, names, ["a blurry {}."]), rtol=1e-4, atol=1e-5)
    raw = [slow_zero_shot(mini_old, names[:1], template) for template in templates.PROMPTSRC]
    mean = sum(raw) / len(raw)  # not of unit vectors
    torch.testing.assert_close(PromptSRC().target(mini_old, data)[:1], mean / mean.norm(), rtol=1e-4, atol=1e-5)


def test_weights_of_epochs_are_upstream_s_gaussian_in_shares_of_the_training():
    found = gaussian(20, PromptSRC())
    at = [torch.exp(torch.tensor(-((e - 15) ** 2) / 2.0)).item() for e in range(1, 21)]
    assert found == pytest.approx([x / sum(at) for x in at], abs=1e-7) and sum(found) == pytest.approx(1)
    assert gaussian(1, PromptSRC()) == [1.0]
    assert gaussian(5, PromptSRC(gpa_mean=50, gpa_std=0.01))[-1] == 1.0  # far away, where a plain exponential is 0


def test_the_start_is_words_and_noise(tiny_deep, mini_old):
    table = state_of(tiny_deep)["token_embedding.weight"]
    words = start(METHOD, tiny_deep).parameters["ctx"]
    assert torch.equal(words, table[tiny_deep.tokenizer.encode("a photo of a")])
    one, other = (tensors_of(_unfinished(start(METHOD, mini_old, seed=seed))) for seed in (1, 2))
    for name in ("visual", "deep", "deep_visual"):
        assert not torch.equal(one[name], other[name]) and abs(float(one[name].std()) - 0.02) < 0.003


def _unfinished(learner):
    return dataclasses.replace(learner, finish=None)


def test_the_defaults_are_the_published_ones():
    found = PromptSRC()
    assert (found.n_ctx, found.ctx_init, found.depth, found.templates) == (4, "a photo of a", 9, "imagenet60")
    assert (found.text_weight, found.image_weight, found.logits_weight) == (25, 10, 1)
    assert found.recipe == Recipe(lr=0.0025, epochs=20, batch_size=4)


def test_impossible_settings_are_refused():
    for settings in ({"text_weight": -1.0}, {"image_weight": -0.1}, {"logits_weight": -3.0}):
        with pytest.raises(ConfigError, match="must be 0 or more, not -"):
            PromptSRC(**settings)
    with pytest.raises(ConfigError, match="gpa_std is the width of a Gaussian and must be positive, not 0"):
        PromptSRC(gpa_std=0.0)
    with pytest.raises(UnknownNameError, match="imagenet60"):
        PromptSRC(templates="imagenet80")
