"""What every method in the registry must be."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import clipcompat
from clipcompat.config import from_config, to_config
from clipcompat.methods import METHODS
from clipcompat.plugin import Plugin
from tests.toys import toy_dataset


def test_methods_are_found_by_their_own_names():
    assert clipcompat.METHODS is METHODS
    assert METHODS.items() >= {
        ("zero_shot", clipcompat.ZeroShot), ("coop", clipcompat.CoOp), ("contcoop", clipcompat.ContCoOp),
    }  # fmt: skip
    assert all(name == method.name for name, method in METHODS.items())


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_frozen_hyper_parameters_that_survive_a_file(name):
    method = METHODS[name]()
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.recipe = None
    assert from_config(METHODS[name], to_config(method)) == method
    assert method.needs in ("features", "pixels", "nothing")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_goes_from_setup_to_logits_on_both_kinds_of_backbone(name, mini_old, mini_new):
    method, data = METHODS[name](), toy_dataset()
    learner = method.setup(mini_old, data, torch.Generator().manual_seed(1))
    assert all(p.requires_grad and p.dtype == torch.float32 for p in learner.parameters.values())
    features, labels = torch.randn(6, mini_old.dim), torch.tensor([0, 1, 2, 0, 1, 2])
    loss = learner.loss(features, labels)
    assert loss.shape == () and loss.isfinite()
    tensors = {n: p.detach() for n, p in learner.parameters.items()}
    origin = {"backbone": {"name": mini_old.name, "stamp": mini_old.stamp}, "classnames": list(data.classnames)}
    plugin = Plugin(method, tensors, {**origin, "template": "a photo of a {}."})
    for backbone in (mini_old, mini_new):
        weights = plugin.class_weights(backbone, data.classnames)
        assert weights.shape == (3, backbone.dim)
        torch.testing.assert_close(weights.norm(dim=-1), torch.ones(3))
        scores = method.logits(tensors, backbone, features, data.classnames, "a photo of a {}.")
        cosines = torch.nn.functional.normalize(features, dim=-1) @ weights.T
        torch.testing.assert_close(scores, backbone.logit_scale * cosines, rtol=1e-5, atol=1e-5)
        assert plugin.match(backbone).kind == ("exact" if backbone is mini_old else "compatible")


@pytest.mark.parametrize("name", METHODS)
def test_the_same_generator_seed_gives_the_same_start(name, mini_old):
    starts = [METHODS[name]().setup(mini_old, toy_dataset(), torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    for key in starts[0].parameters:
        first, again, other = (s.parameters[key].detach() for s in starts)
        assert torch.equal(first, again) and not torch.equal(first, other)
