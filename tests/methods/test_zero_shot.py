"""Zero-shot CLIP: nothing learned, nothing carried, a classifier from templates."""

from __future__ import annotations

import pytest
import torch

from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from tests.reference.contcoop import logits
from tests.toys import NAMES, toy_dataset


@pytest.mark.parametrize("template", ["a photo of a {}.", ("a photo of a {}.", "art of the {}.")])
def test_logits_are_the_scaled_cosines_with_the_templates(mini_old, template):
    features = torch.randn(4, mini_old.dim, generator=torch.Generator().manual_seed(0)) * 3
    weights = []
    for name in NAMES:
        total = 0
        for t in [template] if isinstance(template, str) else template:
            feature = mini_old._model.encode_text(mini_old.tokenizer([t.replace("{}", name)]))[0].detach()
            total = total + feature / feature.norm()
        weights.append(total)
    ours = ZeroShot().logits({}, mini_old, features, NAMES, template)
    torch.testing.assert_close(ours, logits(features, weights, mini_old.logit_scale), rtol=1e-5, atol=1e-5)


def test_fitting_it_learns_nothing_and_opens_no_picture(mini_old):
    data = toy_dataset()
    plugin = fit(ZeroShot(), mini_old, data)
    assert plugin.tensors == {} and plugin.origin["epochs"] == 0
    assert data.train.images.opened == data.test.images.opened == []


def test_its_plug_in_acts_on_every_backbone_and_class_list(mini_old, mini_new):
    plugin = fit(ZeroShot(), mini_old, toy_dataset())
    for names in (NAMES, ("wolf",)):
        assert plugin.match(mini_new, names).kind == "compatible"
        torch.testing.assert_close(
            plugin.class_weights(mini_new, names), mini_new.encode_text([f"a photo of a {n}." for n in names])
        )
