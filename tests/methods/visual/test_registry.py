"""What every method with visual prompts must be: trained on pixels, saved, carried, refused where it cannot act."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import clipcompat
from clipcompat.backbones.load import load_backbone, load_outline
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.config import from_config, to_config
from clipcompat.common.errors import ConfigError, DataError, IncompatibleError, PluginError
from clipcompat.methods import KNOWN, METHODS, OF_DPC
from clipcompat.methods.defaults import TEACHERS, default_method
from clipcompat.plugins.export import export_class_weights
from clipcompat.plugins.fit import fit, fit_many
from clipcompat.plugins.paths import carries
from clipcompat.plugins.plugin import load_plugin
from clipcompat.studies.base_to_new import base_to_new
from clipcompat.studies.carried.cross_tower import cross_tower
from clipcompat.studies.compatibility import compatibility
from clipcompat.training import task as training_task
from clipcompat.training.recipe import Recipe
from tests.methods.learners import start
from tests.toys import NAMES, toy_dataset

SHORT = Recipe(epochs=3, batch_size=5, lr=0.05)
VISUAL = [name for name, kind in OF_DPC.items() if kind.needs == "pixels"]
EVERY = pytest.mark.parametrize("name", ["maple", "promptsrc"])  # PromptKD needs a teacher; see its own tests
EACH = pytest.mark.parametrize("name", ["maple", "promptsrc", "clip_lora"])  # CLIP-LoRA trains on pixels, too


def short(name, **settings):
    return KNOWN[name](recipe=SHORT, **settings)


def same(one, other, atol=0.0):
    assert one.tensors.keys() == other.tensors.keys()
    return all(torch.allclose(one.tensors[k], other.tensors[k], rtol=0, atol=atol) for k in one.tensors)


def test_they_are_public_and_known_by_name_and_not_in_the_tables_of_all_methods():
    assert list(OF_DPC) == [*VISUAL, "dpc"] and VISUAL == ["maple", "promptsrc", "promptkd"]
    assert {**METHODS, **OF_DPC}.items() <= KNOWN.items() and not METHODS.keys() & OF_DPC.keys()
    for name, kind in OF_DPC.items():
        assert kind.name == name and getattr(clipcompat, kind.__name__) is kind
        assert from_config(kind, to_config(kind())) == kind()
        assert default_method(name, "eurosat") == (kind(teacher=TEACHERS["paper"]) if name == "promptkd" else kind())


@EACH
def test_it_learns_and_a_saved_plug_in_names_single_pictures_as_the_test_loop_does(name, old, new, tmp_path):
    data, method = toy_dataset(), short(name)
    plugin = fit(method, old, data)
    assert (plugin.origin["epochs"], plugin.origin["views"]) == (3, 3) and plugin.origin["crop"] == [0.6, 1.0]
    untrained = start(method, old, data).parameters
    assert all(not torch.equal(plugin.tensors[k], p.detach()) for k, p in untrained.items())
    again = load_plugin(plugin.save(tmp_path / "plugin.safetensors"))
    assert again.method == method and same(again, plugin)
    for backbone, kind in ((old, "exact"), (new, "compatible")):
        assert again.match(backbone).kind == kind
        expected = again.logits(backbone, data.test).softmax(-1)
        for i in (0, 7):
            named = dict(again.predict(backbone, data.test.images[i]))
            found = torch.tensor([named[classname] for classname in NAMES])
            torch.testing.assert_close(found, expected[i], rtol=1e-4, atol=1e-5)
    assert again.match(new, [*NAMES[:2], "grey wolf"]).kind == "compatible"


@EACH
def test_test_features_are_those_of_the_tower_with_its_prompts_and_are_kept_under_their_own_name(name, old, tmp_path):
    data = toy_dataset()
    one, other = (fit(short(name), old, data, seed=seed) for seed in (1, 2))
    first = one.logits(old, data.test, tmp_path)
    assert not torch.equal(other.logits(old, data.test, tmp_path), first)
    opened = len(data.test.images.opened)
    old.memory.clear()
    assert torch.equal(one.logits(old, data.test, tmp_path), first)
    assert len(data.test.images.opened) == opened


@EACH
def test_pixels_in_memory_decoded_in_every_step_and_drawn_anew_give_the_same_plug_in(name, old, monkeypatch):
    data, method = toy_dataset(), short(name)
    plugin = fit(method, old, data)
    assert same(fit(method, old, data, views=0), plugin)
    monkeypatch.setattr(training_task, "pixel_views", lambda *args: None)
    assert same(fit(method, old, data), plugin)
    few = fit(method, old, data, views=2)
    monkeypatch.undo()
    assert same(fit(method, old, data, views=2), few) and not same(few, plugin)


@EACH
def test_runs_side_by_side_are_those_of_one_after_the_other(name, old):
    data, method = toy_dataset(), short(name)
    for seed, plugin in zip((1, 2), fit_many(method, old, [data, data], seeds=[1, 2]), strict=True):
        assert same(plugin, fit(method, old, data, seed=seed), 1e-6)


@EACH
def test_it_goes_through_an_upgrade_to_new_classes_and_across_towers(name, old, new):
    data, method = toy_dataset(), short(name)
    plugin = fit(method, old, data)
    report = compatibility(plugin, Upgrade(old, new), data)
    hits = plugin.logits(old, data.test).argmax(-1) == data.test.labels
    assert report.old == pytest.approx(100 * float(hits.double().mean())) and report.retrained is not None
    assert cross_tower(plugin, Upgrade(old, new), data, retrained=False).side == "both"
    halves = base_to_new(fit(method, old, data.base_classes()), old, data)
    assert all(0 <= share <= 100 for share in (halves.base, halves.new, halves.joint))


@EACH
def test_a_start_from_another_plug_in_keeps_its_tensors(name, old):
    data = toy_dataset()
    first = fit(short(name), old, data)
    learner = start(short(name), old, data, init=first)
    assert all(torch.equal(p.detach(), first.tensors[k]) for k, p in learner.parameters.items())


@EVERY
def test_a_backbone_that_cannot_take_it_says_why(name, old, monkeypatch):
    data = toy_dataset()
    plugin = fit(short(name), old, data)
    wide = load_backbone("mini-large-old", "random:1", device="cpu", dtype="fp32")
    assert plugin.match(wide).why == (
        f"{name} cannot act on mini-large-old: its context has 128 channels, the text tower of mini-large-old has 160."
    )
    with pytest.raises(IncompatibleError, match="has 160"):
        plugin.logits(wide, data.test)
    outline = load_outline("mini-new")
    assert plugin.match(outline).kind == "compatible"
    shallow = dataclasses.replace(outline, image_layers=2)
    assert "its prompts enter 3 blocks, the image tower of mini-new has 2" in plugin.match(shallow).why
    resnet = dataclasses.replace(outline, image_layers=0, no_visual_prompts="it is a ResNet")
    assert "the image tower takes no visual prompts: it is a ResNet." in plugin.match(resnet).why
    monkeypatch.setattr(old, "no_visual_prompts", "it is a ResNet")
    with pytest.raises(IncompatibleError, match="takes no visual prompts: it is a ResNet. Use a CLIP ViT or EVA02"):
        fit(short(name), old, data)


@EVERY
def test_a_class_without_pictures_and_impossible_settings_are_refused(name, old, tmp_path):
    data = toy_dataset()
    train = data.train.images.select([0, 1, 4, 5])
    split = dataclasses.replace(data.train, images=train, labels=torch.tensor(train.labels))
    with pytest.raises(DataError, match="no training image of 1 of its 3 classes .'snow leopard cub'"):
        fit(short(name), old, dataclasses.replace(data, train=split))
    for setting in ("depth", "n_ctx"):
        with pytest.raises(ConfigError, match=f"{setting} must be at least 1, not 0"):
            KNOWN[name](**{setting: 0})
    with pytest.raises(ConfigError, match="has 4 tokens, fewer than n_ctx=5"):
        fit(short(name, n_ctx=5), old, data)
    with pytest.raises(PluginError, match="changes the image tower, so its classifier is not for image features"):
        export_class_weights(fit(short(name), old, data), old, tmp_path / "weights.safetensors")


@EVERY
def test_prompts_enter_as_many_blocks_as_both_towers_have(name, mini_old, mini_new):
    for depth, blocks in ((1, 1), (2, 2), (9, 3)):
        tensors = start(KNOWN[name](depth=depth), mini_old).parameters
        assert ("deep" in tensors) == (blocks > 1) and len(tensors.get("deep", ())) in (0, blocks - 1)
    assert len(start(KNOWN[name](), mini_new).parameters["deep"]) == 3  # 4 image blocks, 6 text blocks


@pytest.mark.parametrize("name", ["maple", "promptsrc", "promptkd"])
def test_prompts_of_a_deeper_image_tower_are_refused_before_any_is_tuned(name):
    old, new = load_outline("mini-old"), load_outline("mini-new")  # 3 and 4 blocks
    assert carries(KNOWN[name](), old, new).kind == "compatible"
    assert carries(KNOWN[name](), new, old).why == (
        f"{name} cannot act on mini-old: its prompts enter 4 blocks, the image tower of mini-old has 3."
    )
    assert carries(KNOWN[name](depth=3), new, old).kind == "compatible"
    resnet = dataclasses.replace(old, image_layers=0, no_visual_prompts="it is a ResNet")
    assert "takes no visual prompts: it is a ResNet" in carries(KNOWN[name](), resnet, new).why


@EVERY
def test_a_tower_of_one_block_takes_depth_1_only(name, tiny):
    assert (
        "deep"
        not in start(KNOWN[name](depth=1, **({"templates": "data"} if name == "promptsrc" else {})), tiny).parameters
    )
    with pytest.raises(IncompatibleError, match="tiny has a single block, so it takes depth=1 only, not 9"):
        start(KNOWN[name](), tiny)
