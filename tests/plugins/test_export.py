"""Class weights for use elsewhere: the file and numpy give the plug-in's logits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file

from clipcompat.common.errors import ConfigError, IncompatibleError, PluginError, StorageError
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.export import export_class_weights
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from tests.methods.learners import plugin_of, start, tensors_of
from tests.tiny import tiny_backbone
from tests.toys import NAMES, toy_dataset, toy_split

METHODS = [ZeroShot(), CoOp(n_ctx=3), CoOp(n_ctx=2, csc=True), KgCoOp(), ContCoOp(n_ctx=2), ContCoOp(n_ctx=2, tau=0.02)]


def tuned(method, backbone):
    plugin = plugin_of(method, tensors_of(start(method, backbone)), backbone)
    return type(plugin)(method, plugin.tensors, {**plugin.origin, "dataset": "toys"})


def header_of(path):
    with safe_open(path, "np") as file:
        return json.loads(file.metadata()["clipcompat"])


def numpy_logits(path, features):
    """What the file's `usage` says, with numpy."""
    f = features / np.linalg.norm(features, axis=-1, keepdims=True)
    return header_of(path)["logit_scale"] * f @ load_file(path)["weights"].T


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_the_file_and_numpy_give_the_plugins_logits(old, new, method, tmp_path):
    plugin, split = tuned(method, old), toy_split("test", 3)
    for backbone in (old, new):
        path = export_class_weights(plugin, backbone, tmp_path / "w.safetensors", force=True)
        features = backbone.image_features(torch.stack([backbone.preprocess.test(split.images[i]) for i in range(9)]))
        expected = plugin.logits(backbone, split).numpy()
        np.testing.assert_allclose(numpy_logits(path, features.numpy()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_the_scale_is_the_backbones_or_the_methods_own(old, method, tmp_path):
    scale = header_of(export_class_weights(tuned(method, old), old, tmp_path / "w"))["logit_scale"]
    if getattr(method, "tau", None):
        assert scale == pytest.approx(50, rel=1e-5)
    else:
        assert scale == old.logit_scale


def test_the_file_holds_unit_float32_rows_and_says_what_they_are(old, tmp_path):
    plugin = tuned(CoOp(n_ctx=3), old)
    path = export_class_weights(plugin, old, str(tmp_path / "deep" / "w.safetensors"))
    tensors, header = load_file(path), header_of(path)
    assert list(tensors) == ["weights"] and tensors["weights"].dtype == np.float32
    assert tensors["weights"].shape == (3, old.dim)
    np.testing.assert_allclose(np.linalg.norm(tensors["weights"], axis=-1), 1, atol=1e-6)
    np.testing.assert_array_equal(tensors["weights"], plugin.class_weights(old, NAMES).numpy())
    assert header["class_names"] == list(NAMES) and header["backbone"] == old.description
    assert header["plugin"]["method"] == "coop" and header["plugin"]["stamp"] == plugin.stamp
    assert "logit_scale * (f / norm(f)) @ weights.T" in header["usage"]
    assert str(tmp_path).encode() not in path.read_bytes()


def test_the_preprocessing_told_is_the_preprocessing_done(old, tmp_path):
    """Followed with PIL and numpy, step by step, it gives the pixels that the backbone sees."""
    steps = header_of(export_class_weights(tuned(ZeroShot(), old), old, tmp_path / "w"))["image_preprocessing"]
    convert, resize, crop, divide, normalise = (dict(step) for step in steps)
    for size in ((48, 40), (33, 70), (32, 32)):
        picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (size[1], size[0], 4), np.uint8), "RGBA")
        image = picture.convert(convert["convert"])
        shorter, side = min(image.size), resize["resize"]["shorter_side"]
        assert resize["resize"]["longer_side"] == "int(shorter_side * longer / shorter)"
        image = image.resize(tuple(int(side * n / shorter) for n in image.size), Image.Resampling.BICUBIC)
        left, top = (round((n - crop["centre_crop"]) / 2) for n in image.size)
        image = image.crop((left, top, left + crop["centre_crop"], top + crop["centre_crop"]))
        pixels = np.asarray(image, np.float32) / divide["divide"]
        pixels = (pixels - normalise["normalise"]["mean"]) / normalise["normalise"]["std"]
        seen = old.preprocess.normalise(old.preprocess.test(picture)).permute(1, 2, 0)
        np.testing.assert_allclose(pixels, seen.numpy(), atol=1e-5)


def test_other_classes_and_templates_are_exported_where_the_method_can(old, tmp_path):
    plugin = tuned(CoOp(n_ctx=3), old)
    path = export_class_weights(plugin, old, tmp_path / "w", ("wolf", "crow"))
    assert header_of(path)["class_names"] == ["wolf", "crow"] and load_file(path)["weights"].shape == (2, old.dim)
    zero_shot = tuned(ZeroShot(), old)
    path = export_class_weights(zero_shot, old, tmp_path / "w", ["owl"], ("a {}.", "the {}."), force=True)
    assert header_of(path)["template"] == ["a {}.", "the {}."]
    expected = zero_shot.class_weights(old, ["owl"], ("a {}.", "the {}."))
    np.testing.assert_array_equal(load_file(path)["weights"], expected.numpy())
    for names in ("owl", []):
        with pytest.raises(ConfigError):
            export_class_weights(plugin, old, tmp_path / "x", names)


@pytest.mark.parametrize("name", ["linear_probe", "clip_adapter", "tip_adapter", "cocoop"])
def test_methods_without_class_weights_are_refused_and_leave_no_file(old, name, tmp_path):
    from clipcompat.methods import METHODS as ALL

    plugin = tuned(ALL[name](), old)
    with pytest.raises(PluginError, match=f"{name} has no class weights"):
        export_class_weights(plugin, old, tmp_path / "w")
    assert not list(tmp_path.iterdir())


def test_a_plugin_that_does_not_fit_leaves_no_file(old, tmp_path):
    plugin = tuned(CoOp(n_ctx=2, csc=True), old)
    for backbone, names in ((tiny_backbone(), None), (old, NAMES[:2])):
        with pytest.raises(IncompatibleError):
            export_class_weights(plugin, backbone, tmp_path / "w", names)
    assert not list(tmp_path.iterdir())


def test_logits_that_are_no_scaled_cosines_are_not_promised(old, tmp_path, monkeypatch):
    """A method that gave class weights and added something else to its logits would make a wrong classifier."""
    monkeypatch.setattr(CoOp, "logits", lambda self, t, b, f, names, template=None: f @ f.T + 3)
    with pytest.raises(PluginError, match="no scaled cosines"):
        export_class_weights(tuned(CoOp(n_ctx=3), old), old, tmp_path / "w")


def test_a_place_that_cannot_be_written_is_a_sentence(old, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="could not write"):
        export_class_weights(tuned(ZeroShot(), old), old, tmp_path / "taken" / "w")


def test_exported_weights_are_not_taken_for_a_plugin(old, tmp_path):
    path = export_class_weights(tuned(ZeroShot(), old), old, tmp_path / "w.safetensors")
    with pytest.raises(PluginError, match="no plug-in header"):
        load_plugin(path)


def test_a_trained_plugin_is_exported_as_it_was_saved(old, tmp_path):
    plugin = fit(CoOp(n_ctx=2, recipe=Recipe(epochs=1)), old, toy_dataset(), views=1)
    first = export_class_weights(plugin, old, tmp_path / "a").read_bytes()
    again = load_plugin(plugin.save(tmp_path / "p.safetensors"))
    assert export_class_weights(again, old, tmp_path / "b").read_bytes() == first
