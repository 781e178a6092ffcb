"""Translated tensors: between backbones whose features are a rotation apart, nothing is lost."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clipcompat.methods.deep.clap import CLAP, ZSLP
from clipcompat.methods.deep.gda import GDA
from clipcompat.methods.deep.lp_plus_plus import LPPlusPlus
from clipcompat.methods.deep.prolip import ProLIP
from clipcompat.methods.deep.taskres import TaskRes
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter
from clipcompat.plugins.repair.feature_map import fit_map
from clipcompat.plugins.repair.translate import _RULES, _cache, _probe, is_translatable, takes_residual

WIDTH = 6


@pytest.fixture
def spaces():
    """Features of the same pictures in two spaces that are a rotation and a shift apart, [picture, WIDTH] each."""
    generator = torch.Generator().manual_seed(0)
    new = torch.randn(50, WIDTH, generator=generator)
    q = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))[0]
    return new @ q.T + 0.5, new


@pytest.mark.parametrize("kind", ["orthogonal", "relaxed"])
def test_a_probe_answers_on_new_features_as_it_did_on_old_ones(spaces, kind):
    old, new = spaces
    tensors = {"weight": torch.randn(3, WIDTH), "bias": torch.randn(3), "c": torch.tensor(1.0)}
    made = _probe(LinearProbe(), tensors, old, new, lambda x, y: fit_map(x, y, kind))
    assert torch.allclose(
        F.linear(new, made["weight"], made["bias"]), F.linear(old, *list(tensors.values())[:2]), atol=1e-4
    )
    assert made["c"] == 1 and made["weight"].shape == (3, WIDTH)


def test_a_probe_of_normalised_features_is_mapped_between_normalised_features(spaces):
    old, new = (F.normalize(x, dim=-1) for x in spaces)
    tensors = {"weight": torch.randn(3, WIDTH), "bias": torch.randn(3), "c": torch.tensor(1.0)}
    fit = lambda x, y: fit_map(x, y, "ridge", 1e-6)  # noqa: E731
    once = _probe(LinearProbe(normalize=True), tensors, old, new, fit)
    longer = _probe(LinearProbe(normalize=True), tensors, 7 * old, 3 * new, fit)
    assert torch.allclose(once["weight"], longer["weight"], atol=1e-4)


def test_keys_of_a_cache_become_the_new_features_of_their_pictures_and_keep_their_lengths():
    generator = torch.Generator().manual_seed(0)
    new = F.normalize(torch.randn(50, WIDTH, generator=generator), dim=-1)
    q = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))[0]
    old = new @ q.T
    tensors = {"keys": 3.0 * old[:5], "values": torch.eye(5), "alpha": torch.tensor(1.0), "beta": torch.tensor(2.0)}
    made = _cache(TipAdapter(), tensors, 4 * old, 2 * new, fit_map)
    assert torch.allclose(made["keys"], 3 * new[:5], atol=1e-5)  # trained keys have lengths of their own
    assert torch.equal(made["values"], tensors["values"]) and made["beta"] == 2


@pytest.mark.parametrize("method", [GDA(), LPPlusPlus()], ids=lambda method: method.name)
def test_a_classifier_beside_text_is_a_probe_of_unit_features(spaces, method):
    old, new = (F.normalize(x, dim=-1) for x in spaces)
    tensors = {"weight": torch.randn(3, WIDTH), "bias": torch.randn(3), "alpha": torch.tensor(2.0)}
    made, probe = (
        _RULES[type(m)](m, tensors, 3 * old, 7 * new, fit_map) for m in (method, LinearProbe(normalize=True))
    )
    assert torch.equal(made["weight"], probe["weight"]) and torch.equal(made["bias"], probe["bias"])
    assert made["alpha"] == 2


def test_rows_of_a_probe_of_cosines_go_where_their_features_go():
    generator = torch.Generator().manual_seed(0)
    new = F.normalize(torch.randn(50, WIDTH, generator=generator), dim=-1)
    q = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))[0]
    tensors = {"weight": 5.0 * (new @ q.T)[:4]}
    made = _RULES[ZSLP](ZSLP(), tensors, new @ q.T, new, fit_map)
    assert torch.allclose(made["weight"], 5 * new[:4], atol=1e-5)


def test_what_comes_of_a_known_kind_is_translated_as_that_kind():
    assert all(is_translatable(method) for method in (GDA(), LPPlusPlus(), ZSLP(), CLAP(), TipAdapter()))
    assert not is_translatable(TaskRes()) and not is_translatable(ProLIP())


def test_rows_that_are_features_take_a_map_that_is_no_matrix():
    assert all(takes_residual(method) for method in (TipAdapter(), ZSLP(), CLAP()))
    assert not any(takes_residual(method) for method in (LinearProbe(), GDA(), LPPlusPlus(), TaskRes()))
