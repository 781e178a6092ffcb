"""Plug-ins kept beside records: found again for what made them, and for nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from clipcompat.common.errors import PluginError
from clipcompat.methods import METHODS
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.training.recipe import Recipe
from tests.plugins.edits import as_earlier, sealed_again, unsealed
from tests.toys import toy_dataset

METHOD = CoOp(n_ctx=2, recipe=Recipe(epochs=4, batch_size=4, lr=0.05))


def test_another_number_of_views_is_another_plugin(old, tmp_path):
    data = {1: toy_dataset(2)}
    for views in (1, 2):
        assert TunedPlugins(tmp_path, METHOD, views).tune(old, data)[1].origin["views"] == views
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_another_setting_seed_or_backbone_is_another_plugin(old, new, tmp_path):
    data = toy_dataset(2)
    kept = TunedPlugins(tmp_path, METHOD, 1)
    kept.tune(old, {1: data, 2: data})
    kept.tune(new, {1: data})
    dataclasses.replace(kept, method=dataclasses.replace(METHOD, n_ctx=3)).tune(old, {1: data})
    files = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.safetensors")}
    assert len(files) == 4
    kept.tune(old, {1: data, 2: data})
    assert {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.safetensors")} == files  # found, not trained


def test_a_plugin_that_another_state_of_the_code_trained_is_trained_again(old, tmp_path, monkeypatch):
    kept = TunedPlugins(tmp_path, METHOD, 1)
    kept.tune(old, {1: toy_dataset(2)})
    monkeypatch.setattr("clipcompat.plugins.kept.code_hash", lambda: "of another state")
    kept.tune(old, {1: toy_dataset(2)})
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


@pytest.mark.parametrize("edit", [unsealed, as_earlier, sealed_again])
@pytest.mark.parametrize(
    "change",
    [
        lambda h, t: h["origin"].update(epochs=999),
        lambda h, t: h["origin"].update(views=9),
        lambda h, t: h["origin"].update(crop=[0.1, 0.2]),
        lambda h, t: h["origin"].update(seed=2),
        lambda h, t: h["origin"].update(template="a {}."),
        lambda h, t: h["origin"].update(classnames=["a", "b", "c"]),
        lambda h, t: h["origin"]["backbone"].update(stamp="another"),
        lambda h, t: h["method"]["config"]["recipe"].update(lr=0.5),
    ],
)
def test_an_edited_plugin_is_neither_believed_nor_replaced(old, tmp_path, edit, change):
    kept = TunedPlugins(tmp_path, METHOD, 1)
    kept.tune(old, {1: toy_dataset(2)})
    (file,) = tmp_path.glob("*.safetensors")
    edit(file, change)
    edited = file.read_bytes()
    with pytest.raises(PluginError, match="delete or move the file, and the run tunes it again") as caught:
        kept.tune(old, {1: toy_dataset(2)})
    assert file.name in str(caught.value) and file.read_bytes() == edited


@pytest.mark.parametrize("name", METHODS)
def test_the_plugin_of_every_method_is_found_again(old, tmp_path, name):
    known = {f.name for f in dataclasses.fields(METHODS[name])}
    settings = {"recipe": METHOD.recipe, "c": 1.0, "search": False}
    kept = TunedPlugins(tmp_path, METHODS[name](**{k: v for k, v in settings.items() if k in known}))
    first = kept.tune(old, {1: toy_dataset(2)})[1]
    (file,) = tmp_path.glob(f"{name}-toys-*.safetensors")  # beside it may lie the plug-in that it starts from
    before = file.stat().st_mtime_ns
    again = kept.tune(old, {1: toy_dataset(2)})[1]
    assert file.stat().st_mtime_ns == before and (again.stamp, again.origin) == (first.stamp, first.origin)


def test_a_plugin_that_selects_on_test_pictures_is_found_again(old, tmp_path):
    recipe = dataclasses.replace(METHODS["tip_adapter_f"]().recipe, epochs=1)
    kept = TunedPlugins(tmp_path, METHODS["tip_adapter_f"](protocol="official", recipe=recipe, search=False))
    first = kept.tune(old, {1: toy_dataset(2)})[1]
    assert kept.tune(old, {1: toy_dataset(2)})[1].origin == first.origin
