"""CLIP-LoRA: logits, loss, gradients and a whole training, by the slow reference and frozen; and how it is carried."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
import torch

from clipcompat.backbones.load import load_backbone, load_outline
from clipcompat.common.config import from_config, override, to_config
from clipcompat.common.errors import ConfigError, DataError, IncompatibleError, PluginError, UnknownNameError
from clipcompat.methods.deep.clip_lora import CLIPLoRA
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.export import export_class_weights
from clipcompat.plugins.fit import fit
from clipcompat.plugins.paths import carries
from clipcompat.training.loop import plan
from clipcompat.training.recipe import Recipe
from tests.methods import golden
from tests.methods.deep.made import without_validation
from tests.methods.learners import PHOTO, plugin_of, same_gradients, start, tensors_of
from tests.reference.clip_lora import adamw_step, with_additions
from tests.reference.contcoop import cross_entropy, logits
from tests.reference.dassl import cosine_per_step
from tests.reference.text_transformer import text_feature
from tests.reference.vision_transformer import image_feature
from tests.slow import ids_of, state_of
from tests.tiny import numbers
from tests.toys import NAMES, toy_dataset, toy_split

RECIPE = dataclasses.replace(CLIPLoRA().recipe, lr=0.02, weight_decay=0.2, epochs=3, batch_size=5, max_steps=100)
METHOD = CLIPLoRA(scale=20.0, dropout=0.0, recipe=RECIPE)
TENSORS = {
    "text.down": numbers((3, 3, 2, 16), 40, 0.3),
    "text.up": numbers((3, 3, 16, 2), 41, 0.3),
    "image.down": numbers((3, 3, 2, 8), 42, 0.4),
    "image.up": numbers((3, 3, 8, 2), 43, 0.4),
}
LABELS = torch.tensor([0, 1, 2, 0, 1])
PIXELS = golden.pixels(1, LABELS, 8)[0]
LOGITS, LOSS, PATH = 99.84149, 1.240116, 78.01177


def slow_logits(backbone, tensors, pixels, alpha=1.0, scale=20.0):
    """Both towers row by row, with the additions in their weights."""
    text, kind = with_additions(state_of(backbone), tensors, "text", alpha), backbone.text.activation
    visual = {k.removeprefix("visual."): t for k, t in backbone._model.state_dict().items() if k.startswith("visual.")}
    visual = with_additions(visual, tensors, "image", alpha)
    table = text["token_embedding.weight"]
    rows = [table[ids_of(backbone, PHOTO.replace("{}", name))] for name in NAMES]
    weights = torch.stack([text_feature(text, each, backbone.text.heads, kind) for each in rows])
    mean, std = (torch.tensor(x)[:, None, None] for x in (backbone.preprocess.mean, backbone.preprocess.std))
    seen = [(picture / 255 - mean) / std for picture in pixels]
    heads = backbone._model.visual.transformer.resblocks[0].attn.num_heads
    features = torch.stack([image_feature(visual, picture, heads, kind) for picture in seen])
    return logits(features, weights, scale)


def slow_loss(backbone, tensors, pixels, labels):
    return cross_entropy(slow_logits(backbone, tensors, pixels), labels)


def test_the_logits_are_the_golden_number(tiny_deep):
    (seeing,) = METHOD.image_towers(TENSORS, tiny_deep)
    slow = slow_logits(tiny_deep, TENSORS, PIXELS)
    ours = METHOD.logits(TENSORS, tiny_deep, seeing.image_features(PIXELS), NAMES, PHOTO)
    torch.testing.assert_close(ours, slow, rtol=0, atol=2e-5)
    assert golden.digest({"": slow}) == pytest.approx(LOGITS, abs=1e-3)


def test_the_loss_is_the_golden_number_and_gradients_are_the_slow_reference_s(tiny_deep):
    learner = start(METHOD, tiny_deep, golden.data_of(), init=plugin_of(METHOD, TENSORS, tiny_deep))
    leaves = {name: t.clone().requires_grad_() for name, t in TENSORS.items()}
    loss, slow = learner.loss(PIXELS, LABELS), slow_loss(tiny_deep, leaves, PIXELS, LABELS)
    torch.testing.assert_close(loss, slow, rtol=0, atol=5e-6)
    assert float(slow.detach()) == pytest.approx(LOSS, abs=5e-6)
    same_gradients(learner, loss, slow, leaves)


def test_training_ends_at_the_golden_number(tiny_deep, written_down):
    data = golden.data_of()
    steps = golden.pixel_epochs_of(data, 3, 5, drop_last=False)
    rates, step = cosine_per_step(len(steps), 0.02), partial(adamw_step, weight_decay=0.2)
    slow = golden.slow_path(TENSORS, partial(slow_loss, tiny_deep), steps, rates, step)
    ours = fit(METHOD, tiny_deep, data, init=plugin_of(METHOD, TENSORS, tiny_deep)).tensors
    for name in TENSORS:
        torch.testing.assert_close(ours[name], slow[name], rtol=0, atol=1e-4)
    for tensors in (ours, slow):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=1e-3)


def test_the_validation_protocol_keeps_the_last_of_the_best_epochs(tiny_deep, written_down):
    data = golden.data_of()
    recipe = dataclasses.replace(RECIPE, epochs=6, lr=0.12)
    method = dataclasses.replace(METHOD, protocol="validation", recipe=recipe)
    steps = golden.pixel_epochs_of(data, 6, 5, drop_last=False)
    (seen,) = golden.pixels(1, data.val.labels, 8, golden.UNCUT)
    rates, step = cosine_per_step(len(steps), 0.12), partial(adamw_step, weight_decay=0.2)
    ends = list(golden.slow_walk(TENSORS, partial(slow_loss, tiny_deep), steps, rates, step))[2::3]
    hits = [int((slow_logits(tiny_deep, end, seen).argmax(1) == data.val.labels).sum()) for end in ends]
    assert hits == [4, 3, 6, 4, 4, 4]
    ours = fit(method, tiny_deep, data, init=plugin_of(method, TENSORS, tiny_deep)).tensors
    for name, value in ends[2].items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-4)
    with pytest.raises(DataError, match="no validation images, and the epoch that is kept"):
        fit(method, tiny_deep, without_validation(data))


def test_the_default_protocol_is_not_written_down_so_that_records_keep_their_ids():
    assert "protocol" not in to_config(CLIPLoRA())
    chosen = CLIPLoRA(protocol="validation")
    assert from_config(CLIPLoRA, to_config(chosen)) == override(CLIPLoRA(), ["protocol=validation"]) == chosen
    with pytest.raises(UnknownNameError, match="protocol"):
        CLIPLoRA(protocol="official")


CHANGES = {
    "alpha": 1.1,
    "dropout": 0.25,
    "scale": 19.0,
    "recipe.optimizer": "adam",
    "recipe.lr": 0.021,
    "recipe.eps": 1e-3,
    "recipe.weight_decay": 0.3,
    "recipe.epochs": 4,
    "recipe.max_steps": 2,
    "recipe.batch_size": 6,
    "recipe.drop_last": True,
    "recipe.schedule": "epoch",
    "recipe.crop": (0.09, 1.0),
}


def test_every_constant_is_changed_below():
    unused = {"rank", "recipe.momentum", "recipe.warmup_epochs", "recipe.warmup_lr"}  # shapes; SGD; schedule "epoch"
    unused.add("protocol")  # has a test of its own
    assert golden.constants(METHOD) - set(CHANGES) == unused | golden.ELSEWHERE


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_golden_path_notices_one_changed_constant(tiny_deep, written_down, field):
    moved = golden.path_of(golden.change(METHOD, field, CHANGES[field]), tiny_deep, golden.data_of(), TENSORS)
    assert abs(moved - PATH) > 4e-3


def test_the_defaults_are_the_published_ones():
    method, optimizer = CLIPLoRA(), {"optimizer": "adamw", "lr": 2e-4, "weight_decay": 1e-2}
    assert (method.rank, method.alpha, method.dropout, method.scale) == (2, 1.0, 0.25, 100.0)
    recipe = {"epochs": 10**9, "batch_size": 32, "drop_last": False, "schedule": "step", "warmup_epochs": 0}
    assert method.recipe == Recipe(**optimizer, **recipe)


@pytest.mark.parametrize(("shots", "steps"), [(1, 500), (4, 2000), (None, 2000)])
def test_it_trains_500_steps_per_picture_of_a_class_unless_it_is_told_a_number(shots, steps):
    data = dataclasses.replace(toy_dataset(4), shots=shots)  # 12 pictures: one step an epoch
    assert plan(CLIPLoRA(), data, None) == (steps, 10)
    few = dataclasses.replace(CLIPLoRA().recipe, max_steps=7)
    assert plan(CLIPLoRA(recipe=few), data, None) == (7, 7)


def test_it_starts_as_zero_shot_with_first_factors_drawn_like_those_of_a_linear_layer(mini_old):
    tensors, split = tensors_of(start(CLIPLoRA(scale=None), mini_old)), toy_split("test", 2)
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {
        "text.down": (6, 3, 2, 128),
        "text.up": (6, 3, 128, 2),
        "image.down": (3, 3, 2, 128),
        "image.up": (3, 3, 128, 2),
    }
    for tower in ("text", "image"):
        largest = tensors[f"{tower}.down"].abs().amax(dim=(2, 3))
        assert largest.max() <= 128**-0.5 and largest.min() > 0.9 * 128**-0.5 and largest.unique().numel() > 1
        assert not tensors[f"{tower}.up"].any()
    plugin, plain = plugin_of(CLIPLoRA(scale=None), tensors, mini_old), plugin_of(ZeroShot(), {}, mini_old)
    torch.testing.assert_close(plugin.logits(mini_old, split), plain.logits(mini_old, split), rtol=1e-4, atol=1e-4)


def mini_tensors(seed=1):
    tensors = tensors_of(start(CLIPLoRA(), load_backbone("mini-old", seed=1, device="cpu")))
    return {name: numbers(t.shape, seed + i, 0.2) for i, (name, t) in enumerate(tensors.items())}


def test_carried_it_adds_to_the_same_blocks_and_leaves_those_of_a_taller_tower_above(mini_new):
    split, tensors = toy_split("test", 2), mini_tensors()
    padded = dict(tensors)
    for name in ("image.down", "image.up"):
        padded[name] = torch.cat([tensors[name], torch.zeros_like(tensors[name][:1])])
    plugin, full = (plugin_of(CLIPLoRA(scale=None), t, mini_new) for t in (tensors, padded))
    assert plugin.match(mini_new).kind == "exact" and len(padded["image.up"]) == mini_new.image_layers == 4
    assert torch.equal(plugin.logits(mini_new, split), full.logits(mini_new, split))
    assert not torch.allclose(
        plugin.logits(mini_new, split), plugin_of(ZeroShot(), {}, mini_new).logits(mini_new, split)
    )


def test_where_widths_or_blocks_do_not_fit_the_answer_says_which(mini_old):
    plugin = plugin_of(CLIPLoRA(), mini_tensors(), mini_old)
    wide = load_backbone("mini-large-old", seed=1, device="cpu")
    says = "it changes 6 blocks of 128 channels, and the text tower of mini-large-old has 4 of 160"
    assert plugin.match(wide).why == f"clip_lora cannot act on mini-large-old: {says}."
    with pytest.raises(IncompatibleError, match="has 4 of 160. Tune it again on this backbone"):
        plugin.logits(wide, toy_split("test", 2))
    old, new = load_outline("mini-old"), load_outline("mini-new")
    assert carries(CLIPLoRA(), old, new).kind == "compatible"
    taller = "it changes 4 blocks of 128 channels, and the image tower of mini-old has 3 of 128"
    assert carries(CLIPLoRA(), new, old).why == f"clip_lora cannot act on mini-old: {taller}."
    resnet = dataclasses.replace(old, image_layers=0, no_visual_prompts="it is a ResNet")
    assert plugin.match(resnet).why.endswith("CLIP's and EVA02-CLIP's, and the image tower of mini-old is none.")
    assert "cannot be tuned on mini-old" in carries(CLIPLoRA(), resnet, new).why


def test_a_tower_without_such_attention_is_refused_before_training(old, monkeypatch):
    monkeypatch.setattr(old, "image_layers", 0)
    with pytest.raises(IncompatibleError, match="clip_lora cannot be tuned on .*: it changes the attention of ViTs"):
        fit(CLIPLoRA(recipe=RECIPE), old, toy_dataset())


def test_a_start_from_a_plug_in_of_a_lower_tower_keeps_its_blocks_and_one_of_another_width_is_refused(
    mini_old, mini_new
):
    tensors = mini_tensors()
    learner = start(CLIPLoRA(), mini_new, init=plugin_of(CLIPLoRA(), tensors, mini_old))
    for name, value in tensors.items():
        assert torch.equal(learner.parameters[name][: len(value)].detach(), value), name
    assert learner.parameters["image.up"].shape[0] == 4 and not learner.parameters["image.up"][3].any()
    with pytest.raises(IncompatibleError, match=r"this method starts from text.down \[6, 3, 4, 128\]"):
        start(CLIPLoRA(rank=4), mini_new, init=plugin_of(CLIPLoRA(), tensors, mini_old))


def test_dropout_changes_the_training_and_not_the_test(tiny_deep, written_down):
    with_it = dataclasses.replace(METHOD, dropout=0.5)
    learner = start(with_it, tiny_deep, golden.data_of(), init=plugin_of(with_it, TENSORS, tiny_deep))
    one, other = (float(learner.loss(PIXELS, LABELS).detach()) for _ in range(2))
    assert one != other
    split = toy_split("test", 2)
    scores = [plugin_of(m, TENSORS, tiny_deep).logits(tiny_deep, split) for m in (METHOD, with_it)]
    assert torch.equal(*scores)


def test_of_several_templates_the_first_is_read(mini_old):
    plugin = plugin_of(CLIPLoRA(), mini_tensors(), mini_old)
    both = plugin.class_weights(mini_old, NAMES, (PHOTO, "a drawing of a {}."))
    assert torch.equal(both, plugin.class_weights(mini_old, NAMES, PHOTO))


def test_its_classifier_cannot_be_exported_without_its_image_tower(mini_old, tmp_path):
    plugin = plugin_of(CLIPLoRA(), mini_tensors(), mini_old)
    with pytest.raises(PluginError, match="clip_lora changes the image tower"):
        export_class_weights(plugin, mini_old, tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rank": 0}, "rank must be at least 1"),
        ({"alpha": 0.0}, "alpha must be positive"),
        ({"dropout": 1.0}, "dropout must be from 0 to less than 1"),
        ({"scale": 0.0}, "scale must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        CLIPLoRA(**settings)
