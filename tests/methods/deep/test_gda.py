"""GDA: discriminant, logits and searched weight, by the slow reference and frozen."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.methods.deep.gda import ALPHAS, GDA, discriminant
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.deep.made import without_validation
from tests.methods.learners import PHOTO, batch
from tests.reference import gda as slow
from tests.slow import slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES

TENSORS = {"weight": numbers((3, 16), 20), "bias": numbers((3,), 21), "alpha": torch.tensor(2.0)}
LOGITS, FITTED = 23113.25, 10072.308


def seen(data, passes=10):
    """Features of all passes [picture, 16], and their labels."""
    views = golden.views(passes, data.train.labels, 16, (0.5, 1.0))
    return views.flatten(0, 1), data.train.labels.repeat(passes)


def expected(data, backbone):
    """The slow discriminant, and the α of its search."""
    features, labels = seen(data)
    weight, bias = slow.discriminant(features.numpy(), labels.tolist(), 3)
    val = golden.features("val", data.val.labels, 16).numpy(), data.val.labels.tolist()
    alpha = slow.search(*val, slow_zero_shot(backbone, NAMES, PHOTO).numpy(), weight, bias)
    return {name: torch.tensor(value).float() for name, value in (("weight", weight), ("bias", bias), ("alpha", alpha))}


def test_the_logits_are_the_golden_number(tiny):
    features, _ = batch(tiny)
    weights = slow_zero_shot(tiny, NAMES, PHOTO).numpy()
    ours = GDA().logits(TENSORS, tiny, features, NAMES, PHOTO)
    theirs = torch.tensor(slow.logits(features.numpy(), weights, TENSORS["weight"].numpy(), TENSORS["bias"].numpy(), 2))
    torch.testing.assert_close(ours, theirs.float(), rtol=0, atol=1e-4)
    assert golden.digest({"": theirs.float()}) == pytest.approx(LOGITS, abs=0.1)


def test_discriminant_and_searched_weight_are_the_golden_number(tiny, written_down):
    data = golden.data_of()
    ours, theirs = fit(GDA(), tiny, data).tensors, expected(data, tiny)
    assert ours.keys() == theirs.keys() and float(ours["alpha"]) in [pytest.approx(a) for a in ALPHAS]
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-5)
    for tensors in (ours, theirs):
        assert golden.digest(tensors) == pytest.approx(FITTED, abs=0.02)


CHANGES = {"passes": 9, "scale": 10.0, "protocol": "no-validation", "recipe.crop": (0.4, 1.0)}


@pytest.mark.parametrize("field", CHANGES)
def test_the_golden_number_notices_one_changed_setting(tiny, written_down, field):
    moved = golden.path_of(golden.change(GDA(), field, CHANGES[field]), tiny, golden.data_of())
    assert abs(moved - FITTED) > 0.1


def test_without_validation_pictures_alpha_is_the_given_one(tiny, written_down):
    data = golden.data_of()
    empty = without_validation(data)
    plugin = fit(GDA(protocol="no-validation", alpha=0.3), tiny, empty)
    assert plugin.tensors["alpha"] == torch.tensor(0.3)
    with pytest.raises(DataError, match="no validation images, and the discriminant's weight"):
        fit(GDA(), tiny, empty)


def test_the_official_protocol_reads_test_pictures_on_imagenet_only_and_never_by_default(tiny, written_down):
    official = GDA(protocol="official")
    assert GDA().protocol == "validation"
    plain, imagenet = golden.data_of(name="dtd"), golden.data_of(name="imagenet")
    with pytest.raises(ConfigError, match="selects on test pictures"):
        fit(official, tiny, imagenet)
    chosen = fit(GDA(), tiny, plain).tensors["alpha"]
    assert fit(official, tiny, plain, select_on=plain.test).tensors["alpha"] == chosen
    features, labels = seen(imagenet)
    weight, bias = slow.discriminant(features.numpy(), labels.tolist(), 3)
    test = golden.features("test", imagenet.test.labels, 16).numpy(), imagenet.test.labels.tolist()
    alpha = slow.search(*test, slow_zero_shot(tiny, NAMES, PHOTO).numpy(), weight, bias)
    assert float(fit(official, tiny, imagenet, select_on=imagenet.test).tensors["alpha"]) == pytest.approx(alpha)


def test_a_discriminant_of_exact_gaussians_is_the_textbooks(tiny):
    """Two classes on the axes: the boundary is halfway between the means."""
    spread = torch.tensor([[0.1, 0.0], [-0.1, 0.0], [0.0, 0.1], [0.0, -0.1]])
    x = torch.cat([spread + torch.tensor([1.0, 0.0]), spread + torch.tensor([0.0, 1.0])])
    found = discriminant(x, torch.arange(2).repeat_interleave(4), 2)
    middle = torch.tensor([0.5, 0.5])
    scores = found["weight"] @ middle + found["bias"]
    assert float(scores[0]) == pytest.approx(float(scores[1]), abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"protocol": "test"}, UnknownNameError, "protocol"),
        ({"passes": 0}, ConfigError, "passes must be from 1"),
        ({"alpha": -1.0}, ConfigError, "alpha must be 0 or more"),
        ({"scale": 0.0}, ConfigError, "scale must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(settings, error, says):
    with pytest.raises(error, match=says):
        GDA(**settings)


def test_the_defaults_are_the_published_ones():
    assert (GDA().passes, GDA().scale, GDA().alpha) == (10, 100.0, 0.1)
    assert GDA().recipe == Recipe(crop=(0.5, 1.0)) and ALPHAS == (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
