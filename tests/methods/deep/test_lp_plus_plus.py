"""LP++: start, rates, logits and whole trainings, by the slow reference and frozen."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.methods.deep.lp_plus_plus import LPPlusPlus
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.deep.made import without_validation
from tests.methods.learners import PHOTO, batch
from tests.reference import lp_plus_plus as slow
from tests.slow import slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES

TENSORS = {"weight": numbers((3, 16), 20), "bias": numbers((3,), 21), "alpha": numbers((3,), 22, 5.0)}
BIAS = numbers((3,), 23, 0.25)
STEPS = 24  # two steps of alpha, and some after the second
LOGITS, PATHS = 20.448548, {"summed": 8166.6411, "present": 8167.5689}


@pytest.fixture
def given_bias(monkeypatch):
    """The initial bias is written down, too."""
    monkeypatch.setattr("clipcompat.methods.deep.lp_plus_plus.linear_default", lambda *a, **k: BIAS.clone())


def slow_steps(backbone, data, alpha_gradient, steps=STEPS):
    text, features = slow_zero_shot(backbone, NAMES, PHOTO), golden.views(1, data.train.labels, 16, (0.5, 1.0))[0]
    start = slow.start(features, data.train.labels, text, BIAS)
    return list(slow.walk(features, data.train.labels, text, start, steps, alpha_gradient == "present"))


def method(alpha_gradient="summed", protocol="no-validation"):
    return LPPlusPlus(steps=STEPS, alpha_gradient=alpha_gradient, protocol=protocol)


def test_the_logits_are_the_golden_number(tiny):
    features, _ = batch(tiny)
    theirs = slow.logits(features, slow_zero_shot(tiny, NAMES, PHOTO), TENSORS)
    ours = method().logits(TENSORS, tiny, features, NAMES, PHOTO)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert golden.digest({"": theirs}) == pytest.approx(LOGITS, abs=1e-3)


@pytest.mark.parametrize("kind", PATHS)
def test_training_ends_at_the_golden_number(tiny, written_down, given_bias, kind):
    data = golden.data_of()
    ours, theirs = fit(method(kind), tiny, data).tensors, slow_steps(tiny, data, kind)[-1]
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-4)
    for tensors in (ours, theirs):
        assert golden.digest(tensors) == pytest.approx(PATHS[kind], abs=0.02)


def test_both_gradients_of_alpha_part_at_its_first_step(tiny, written_down, given_bias):
    """Upstream never clears it; the first step, after ten of the weights, already differs."""
    data = golden.data_of()
    summed, present = (slow_steps(tiny, data, kind, 10) for kind in PATHS)
    assert torch.equal(summed[8]["alpha"], present[8]["alpha"])
    assert not torch.allclose(summed[9]["alpha"], present[9]["alpha"])


def test_the_validation_protocol_keeps_the_last_of_the_best_steps(tiny, written_down, given_bias):
    data = golden.data_of()
    features, text = golden.features("val", data.val.labels, 16), slow_zero_shot(tiny, NAMES, PHOTO)
    walked = slow_steps(tiny, data, "summed")
    hits = [int((slow.logits(features, text, t).argmax(1) == data.val.labels).sum()) for t in walked]
    best = max(i for i, n in enumerate(hits) if n == max(hits))
    ours = fit(method(protocol="validation"), tiny, data).tensors
    for name, value in walked[best].items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-4)
    with pytest.raises(DataError, match="no validation images, and the step|no validation images, and the epoch"):
        fit(LPPlusPlus(), tiny, without_validation(data))


CHANGES = {"steps": 25, "recipe.crop": (0.4, 1.0), "alpha_gradient": "present"}


@pytest.mark.parametrize("field", CHANGES)
def test_the_golden_path_notices_one_changed_setting(tiny, written_down, given_bias, field):
    moved = golden.path_of(golden.change(method(), field, CHANGES[field]), tiny, golden.data_of())
    assert abs(moved - PATHS["summed"]) > 0.2


def test_the_bias_starts_as_that_of_a_linear_layer_and_belongs_to_the_seed(mini_old):
    from tests.toys import toy_dataset

    one, again, other = (fit(LPPlusPlus(steps=1), mini_old, toy_dataset(), seed=s).tensors for s in (1, 1, 2))
    assert torch.equal(one["bias"], again["bias"]) and not torch.equal(one["bias"], other["bias"])


def test_settings_out_of_range_are_refused():
    with pytest.raises(UnknownNameError, match="gradient of alpha"):
        LPPlusPlus(alpha_gradient="cleared")
    with pytest.raises(UnknownNameError, match="protocol"):
        LPPlusPlus(protocol="test")
    with pytest.raises(ConfigError, match="steps must be at least 1"):
        LPPlusPlus(steps=0)


def test_the_defaults_are_the_published_ones():
    assert (LPPlusPlus().steps, LPPlusPlus().alpha_gradient, LPPlusPlus().protocol) == (300, "summed", "validation")
    assert LPPlusPlus().recipe == Recipe(crop=(0.5, 1.0))
