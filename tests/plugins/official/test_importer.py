"""Plug-ins from official checkpoints: exactly what was learned, with an honest origin, or a sentence."""

from __future__ import annotations

import logging

import pytest
import torch
from PIL import Image

from clipcompat.common.errors import ConfigError, IncompatibleError, UnknownNameError
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.plugin import load_plugin
from tests.methods.learners import plugin_of
from tests.official import DASSL, adapter, buffers, checkpoint, context, refused, states, write_cache, write_run
from tests.tiny import tiny_backbone
from tests.toys import NAMES, toy_split


@pytest.mark.parametrize("name", DASSL)
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_was_learned_comes_back_to_the_last_bit_and_nothing_else(
    old, official_run, official_import, name, prefix, zipped
):
    plugin = official_import(official_run(name, prefix=prefix, zipped=zipped), name)
    expected = states(old)[name][1]
    constants = {"ratio"} if name == "clip_adapter" else set()
    assert plugin.tensors.keys() == expected.keys() | constants
    for key, tensor in expected.items():
        assert plugin.tensors[key].dtype == torch.float32 and torch.equal(plugin.tensors[key], tensor)
    assert plugin.method.name == name and plugin.match(old).kind == "exact"


@pytest.mark.parametrize("name", DASSL)
def test_an_imported_plugin_gives_the_logits_of_the_tensors_put_in(old, new, official_run, official_import, name):
    plugin = official_import(official_run(name), name)
    tensors = dict(states(old)[name][1])
    if name == "clip_adapter":
        tensors["ratio"] = torch.tensor(0.2)
    method = CoOp(n_ctx=4) if name == "coop" else type(plugin.method)()  # others start from four words
    plain = plugin_of(method, tensors, old)
    split = toy_split("test", 2)
    assert torch.equal(plugin.logits(old, split), plain.logits(old, split))
    assert torch.equal(plugin.logits(new, split), plain.logits(new, split))
    assert plugin.predict(old, Image.new("RGB", (9, 9))) == plain.predict(old, Image.new("RGB", (9, 9)))


def test_the_origin_says_where_it_came_from_and_what_is_not_known(old, official_run, official_import, tmp_path):
    out = official_run("coop", epoch=200)
    plugin = official_import(out, dataset="EuroSAT", template=None, shots=16, seed=3)
    origin = plugin.origin
    assert origin["backbone"] == old.description and origin["classnames"] == list(NAMES)
    assert (origin["dataset"], origin["template"]) == ("eurosat", "a centered satellite photo of {}.")
    assert (origin["shots"], origin["seed"], origin["epochs"]) == (16, 3, 200)
    assert origin["source"].startswith("imported from model.pth.tar-200, sha256 ")
    assert len(origin["source"].rpartition(" ")[2]) == 64 and str(tmp_path) not in str(origin)
    unknown = official_import(out, template=None).origin
    for part in ("dataset", "template", "shots", "seed", "train_stamp", "views", "seconds", "final_loss", "init"):
        assert unknown[part] is None


@pytest.mark.parametrize("name", [*DASSL, "tip_adapter", "tip_adapter_f"])
def test_an_imported_plugin_is_saved_and_loaded_like_any_other(old, official_run, official_import, name, tmp_path):
    path = tmp_path / "cache"
    if name in DASSL:
        path = official_run(name)
    else:
        write_cache(path, old)
    plugin = official_import(path, name)
    again = load_plugin(plugin.save(tmp_path / "p.safetensors"))
    assert again.method == plugin.method and again.origin == plugin.origin and again.stamp == plugin.stamp
    split = toy_split("test", 2)
    assert torch.equal(again.logits(old, split), plugin.logits(old, split))
    assert str(tmp_path).encode() not in (tmp_path / "p.safetensors").read_bytes()


def test_a_method_says_what_a_file_cannot(old, official_run, official_import, tmp_path):
    middle = official_import(official_run("coop"), CoOp(n_ctx=4, position="middle"))
    assert middle.method.position == "middle"
    assert not torch.equal(
        middle.class_weights(old, NAMES), official_import(official_run("coop")).class_weights(old, NAMES)
    )
    out = write_run(tmp_path / "adapter", adapter(old), "clip_adapter")
    assert float(official_import(out, CLIPAdapter(ratio=0.6)).tensors["ratio"]) == pytest.approx(0.6)
    words = official_import(official_run("coop"), CoOp(ctx_init="a photo of a"))  # n_ctx has no say beside ctx_init
    assert words.method == CoOp(ctx_init="a photo of a") and len(words.tensors["ctx"]) == 4


def test_class_buffers_tell_whether_backbone_and_classes_are_those_of_the_training(
    old, new, official_run, official_import, caplog
):
    out = official_run("coop")
    assert official_import(out).origin["class_buffers"] == "agree" and not caplog.records
    for other in (
        {"classnames": NAMES[::-1]},
        {"classnames": NAMES[:2]},
        {"classnames": ("red wolf", *NAMES[1:])},
        {"backbone": new},
    ):
        assert official_import(out, **other).origin["class_buffers"] == "differ"
        (said,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert "another backbone, or with other class names" in said and "model.pth.tar-50" in said
        caplog.clear()


def test_a_file_without_class_buffers_is_imported_without_that_check(old, official_import, tmp_path):
    torch.save(checkpoint(context(old)), tmp_path / "m")
    assert "class_buffers" not in official_import(tmp_path / "m").origin
    torch.save({"ctx": context(old)["ctx"]}, tmp_path / "bare")  # a state dict alone, from pure tensors
    assert official_import(tmp_path / "bare").origin["epochs"] is None


@pytest.mark.parametrize(
    "suffix",
    [
        None,
        torch.zeros(3),
        torch.zeros(3, 1, 128),
        torch.zeros(3, 72, 128, dtype=torch.int64),
        torch.zeros(3, 36, 128, device="meta"),
        torch.full((3, 36, 128), float("nan")),
    ],
)
def test_class_buffers_that_are_none_do_not_stop_an_import(old, official_import, tmp_path, suffix):
    torch.save({"state_dict": context(old) | {"token_suffix": suffix}}, tmp_path / "m")
    assert official_import(tmp_path / "m").origin["class_buffers"] == "differ"


@pytest.mark.parametrize("position", ["middle", "front"])
def test_class_buffers_are_the_same_for_every_position_of_the_name(official_run, official_import, position):
    assert official_import(official_run("coop"), CoOp(n_ctx=4, position=position)).origin["class_buffers"] == "agree"


def test_class_specific_contexts_belong_to_their_classes(old, official_import, tmp_path):
    out = write_run(tmp_path, context(old, 4, classes=3) | buffers(old, NAMES))
    plugin = official_import(out)
    assert plugin.method.csc and plugin.match(old).kind == "exact"
    assert plugin.match(old, NAMES[::-1]).kind == "incompatible"
    with pytest.raises(IncompatibleError) as caught:
        official_import(out, classnames=NAMES[:2])
    refused(caught, "belong to 3 classes", "2 class names were given", "model.pth.tar-50", "mini-old")


@pytest.mark.parametrize("name", DASSL)
def test_a_backbone_of_another_width_is_refused_with_both_widths(official_run, official_import, name):
    with pytest.raises(IncompatibleError) as caught:
        official_import(official_run(name), name, backbone=tiny_backbone())
    refused(caught, "128", "16", "tiny", "model.pth.tar-50")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "coopp"}, UnknownNameError, "Did you mean 'coop'?"),
        ({"method": 7}, UnknownNameError, "unknown method"),
        ({"method": "contcoop"}, ConfigError, "no official checkpoints of contcoop"),
        ({"classnames": "owl"}, ConfigError, "list of class names"),
        ({"classnames": []}, ConfigError, "list of class names"),
        ({"classnames": None}, ConfigError, "list of class names"),
        ({"classnames": ["owl", ""]}, ConfigError, "list of class names"),
        ({"classnames": [1, 2]}, ConfigError, "list of class names"),
        ({"template": "a photo"}, ConfigError, "a template needs {}"),
        ({"template": []}, ConfigError, "a template needs {}"),
        ({"shots": 0}, ConfigError, "shots"),
        ({"seed": -1}, ConfigError, "seed"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(official_run, official_import, options, error, words):
    with pytest.raises(error) as caught:
        official_import(official_run("coop"), **options)
    refused(caught, words)


def test_templates_come_from_the_dataset_where_they_matter(old, official_run, official_import):
    out = official_run("clip_adapter")
    for dataset in (None, "my own pictures"):
        with pytest.raises(ConfigError) as caught:
            official_import(out, "clip_adapter", template=None, dataset=dataset)
        refused(caught, "template='a photo of a {}.'")
    assert official_import(out, "clip_adapter", template=None, dataset="dtd").origin["template"] == "{} texture."
    assert official_import(out, "clip_adapter", template=None, dataset="dtd[base]").origin["template"] == "{} texture."
    mini = official_import(out, "clip_adapter", template=None, dataset="mini/textures").origin
    assert mini["dataset"] == "mini/textures" and "{}" in mini["template"]
    several = official_import(out, "clip_adapter", template=("a {}.", "the {}.")).origin["template"]
    assert several == ["a {}.", "the {}."]
