"""A plug-in that was tuned on pictures turned as their EXIF says sees turned pictures at every door."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
from PIL import Image
from safetensors import safe_open

from clipcompat.cli import main
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.export import export_class_weights
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from tests.toys import ToyImages, toy_dataset

OLD = ["--backbone", "mini-old", "--weights", "random:1", "--device", "cpu", "--dtype", "fp32"]


@dataclass(frozen=True)
class UprightImages(ToyImages):
    upright: bool = True


def tuned(old, upright):
    data = toy_dataset(2)
    if upright:
        images = data.train.images
        images = UprightImages(images.labels, images.part, images.opened)
        data = replace(data, train=replace(data.train, images=images))
    return fit(CoOp(n_ctx=2, recipe=Recipe(epochs=1)), old, data, views=1)


@pytest.fixture
def lying(tmp_path):
    """A picture that lies on its side, with the EXIF tag that says so; its file, and how it is meant."""
    meant = toy_dataset(2).test.images[0].resize((32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    meant.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "lying.png", exif=exif)
    return tmp_path / "lying.png", meant


@pytest.mark.parametrize("upright", [False, True])
def test_predict_follows_the_training_unless_told_otherwise(old, lying, tmp_path, upright):
    path, meant = lying
    plugin = load_plugin(tuned(old, upright).save(tmp_path / "p"))
    assert plugin.sees_upright is upright and plugin.origin["upright"] is upright
    as_stored = meant.transpose(Image.Transpose.ROTATE_90)
    turned, stored = plugin.predict(old, meant), plugin.predict(old, as_stored)
    assert turned != stored
    assert plugin.predict(old, path) == (turned if upright else stored)
    with Image.open(path) as opened:
        assert plugin.predict(old, opened) == (turned if upright else stored)
    assert plugin.predict(old, path, upright=True) == turned
    assert plugin.predict(old, path, upright=False) == stored


def test_a_plugin_of_an_earlier_version_does_not_turn_pictures(old, lying):
    plugin = tuned(old, False)
    origin = {key: value for key, value in plugin.origin.items() if key != "upright"}
    assert replace(plugin, origin=origin).predict(old, lying[0]) == plugin.predict(old, lying[0])


@pytest.mark.parametrize("upright", [False, True])
def test_the_verb_follows_the_training_unless_told_otherwise(old, lying, tmp_path, capsys, upright):
    path, meant = lying
    plugin = tuned(old, upright)
    file = plugin.save(tmp_path / "p")

    def said(*flags):
        assert main(["predict", str(file), *OLD, str(path), *flags]) == 0
        return capsys.readouterr().out.removeprefix(f"{path}: ").strip()

    def written(flag):
        return ", ".join(f"{name} {share:.4f}" for name, share in plugin.predict(old, path, upright=flag))

    assert written(True) != written(False)
    assert said() == written(upright)
    assert said("--upright") == written(True) and said("--no-upright") == written(False)


@pytest.mark.parametrize("upright", [False, True])
def test_an_export_says_that_pictures_are_turned_first(old, tmp_path, upright):
    with safe_open(export_class_weights(tuned(old, upright), old, tmp_path / "w"), "pt") as file:
        steps = json.loads(file.metadata()["clipcompat"])["image_preprocessing"]
    assert ("turn" in steps[0]) is upright and sum("turn" in step for step in steps) == upright
