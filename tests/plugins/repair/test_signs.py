"""Gradient-sign masking: only entries of the old change that descend on the new tower are left."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from clipcompat.backbones.low_rank import LowRank
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.deep.clip_lora import CLIPLoRA
from clipcompat.methods.deep.prolip import ProLIP
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.signs import kept, masked
from clipcompat.training.recipe import Recipe
from tests.methods.learners import PHOTO, plugin_of
from tests.reference.contcoop import cross_entropy, logits
from tests.reference.text_transformer import text_feature
from tests.reference.vision_transformer import image_feature
from tests.slow import ids_of, slow_zero_shot, state_of
from tests.tiny import numbers, tiny_backbone
from tests.toys import NAMES, toy_dataset

SHORT = Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0)


@pytest.fixture(scope="module")
def upgrade(mini_old, mini_new):
    return Upgrade(mini_old, mini_new, "mini")


def test_an_entry_is_left_where_it_goes_against_the_gradient():
    change, gradient = torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0]), torch.tensor([-0.1, -0.1, 0.1, 0.1, 0.0])
    assert kept(change, gradient).tolist() == [1.0, 0.0, 0.0, -4.0, 0.0]


def test_the_attention_keeps_what_descends_by_the_slow_reference_s_gradient():
    backbone, data = tiny_backbone(image_layers=2, layers=2), toy_dataset(1)
    data = replace(data, train=replace(data.train, template=PHOTO))
    tensors = {
        "text.down": numbers((2, 3, 2, 16), 40, 0.3),
        "text.up": numbers((2, 3, 16, 2), 41, 0.3),
        "image.down": numbers((1, 3, 2, 8), 42, 0.4),  # of a tower of one block
        "image.up": numbers((1, 3, 8, 2), 43, 0.4),
    }
    method = CLIPLoRA(scale=20.0)
    made, ours = masked(plugin_of(method, tensors, backbone), backbone, backbone, data.train)
    text, every = state_of(backbone), backbone._model.state_dict()
    visual = {k.removeprefix("visual."): t for k, t in every.items() if k.startswith("visual.")}
    leaves = {}
    for tower, state in (("text", text), ("image", visual)):
        for block in range(2):
            name = f"transformer.resblocks.{block}.attn.in_proj_weight"
            state[name] = leaves[tower, block] = state[name].clone().requires_grad_()
    table, kind = text["token_embedding.weight"], backbone.text.activation
    rows = [table[ids_of(backbone, PHOTO.replace("{}", name))] for name in NAMES]
    weights = torch.stack([text_feature(text, each, 2, kind) for each in rows])
    pixels = torch.stack([backbone.preprocess.test(data.train.images[i]) for i in range(3)])
    mean, std = (torch.tensor(x)[:, None, None] for x in (backbone.preprocess.mean, backbone.preprocess.std))
    seen = torch.stack([image_feature(visual, (p / 255 - mean) / std, 2, kind) for p in pixels])
    loss = cross_entropy(logits(seen, weights, 20.0), data.train.labels)
    gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
    held = {tower: LowRank(ours[f"{tower}.down"], ours[f"{tower}.up"], 1.0).weights() for tower in ("text", "image")}
    assert made.rank == 16 and made.alpha / made.rank**0.5 == 1.0
    for (tower, block), gradient in gradients.items():
        found, before = held[tower][block].flatten(0, 1), torch.zeros_like(gradient)
        if block < len(tensors[f"{tower}.up"]):
            low = LowRank(tensors[f"{tower}.down"], tensors[f"{tower}.up"], 2**-0.5)
            before = low.weights()[block].flatten(0, 1)
        sure = gradient.abs() > 1e-5 * gradient.abs().max()
        expected = torch.where(before * gradient < 0, before, 0.0)
        torch.testing.assert_close(found[sure], expected[sure], rtol=1e-5, atol=1e-6)
        assert tower == "image" and block or 0.1 < float((found != 0).float().mean()) < 0.9


@pytest.mark.parametrize("carried", ["projection", "difference"])
def test_a_projection_keeps_what_descends_by_a_gradient_by_hand(carried, upgrade):
    data = toy_dataset(4)
    old, new = upgrade.old, upgrade.new
    change = numbers((128, 128), 7, 0.05)
    held = change if carried == "difference" else old.projection[0] + change
    method = ProLIP(carried=carried, scale=20.0)
    made, ours = masked(plugin_of(method, {carried: held}, old), old, new, data.train)
    own, bias = new.projection
    leaf = own.clone().requires_grad_()
    hidden = new.image_features(torch.stack([new.preprocess.test(x) for x in data.train.images]), "penultimate")
    text = slow_zero_shot(new, NAMES, data.train.template)
    loss = cross_entropy(logits(hidden @ leaf + bias, text / text.norm(dim=-1, keepdim=True), 20.0), data.train.labels)
    (gradient,) = torch.autograd.grad(loss, leaf)
    expected = torch.where(change * gradient < 0, change, 0.0)
    found = ours[carried] if carried == "difference" else ours[carried] - own
    sure = gradient.abs() > 1e-4 * gradient.abs().max()
    torch.testing.assert_close(found[sure], expected[sure], rtol=1e-4, atol=1e-6)
    assert made == method and 0.3 < float((found.abs() > 1e-6).float().mean()) < 0.7


@pytest.mark.parametrize("method", [CLIPLoRA(scale=None, recipe=SHORT), ProLIP(scale=None)], ids=lambda m: m.name)
def test_it_is_a_plug_in_of_the_new_backbone_that_is_saved_and_says_how_it_was_made(method, upgrade, tmp_path):
    data = toy_dataset(4)
    plugin = fit(method, upgrade.old, data, views=1)
    found = repair(plugin, upgrade, data.train, how="signs")
    assert found.match(upgrade.new).kind == "exact" and found.fault is None
    assert found.origin["repair"].startswith("signs, 12 pictures with labels (")
    assert found.origin["init"] == plugin.stamp and found.origin["dataset"] == plugin.origin["dataset"]
    again = load_plugin(found.save(tmp_path / "p.safetensors"))
    assert torch.equal(again.logits(upgrade.new, data.test), found.logits(upgrade.new, data.test))
    assert not torch.equal(found.logits(upgrade.new, data.test), plugin.logits(upgrade.new, data.test))


def test_what_cannot_be_masked_is_refused(upgrade):
    data = toy_dataset(4)
    plugin = fit(ProLIP(scale=None), upgrade.old, data, views=1)
    with pytest.raises(ConfigError, match="needs pictures with labels: give a Split, such as data.train"):
        repair(plugin, upgrade, data.unlabelled, how="signs")
    with pytest.raises(ConfigError, match="how='signs' has no settings; drop kind"):
        repair(plugin, upgrade, data.train, how="signs", kind="ridge")
    prompt = fit(CoOp(n_ctx=2, recipe=SHORT), upgrade.old, data, views=1)
    with pytest.raises(IncompatibleError, match="coop changes no weights of a tower"):
        repair(prompt, upgrade, data.train, how="signs")
    back = Upgrade(upgrade.new, upgrade.old, "mini")
    taller = fit(CLIPLoRA(recipe=SHORT), upgrade.new, data, views=1)
    with pytest.raises(IncompatibleError, match="has 3 of 128. Tune it again there"):
        repair(taller, back, data.train, how="signs")
