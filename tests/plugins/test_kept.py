"""Plug-ins kept beside records: found again for what made them, and for nothing else."""

from __future__ import annotations

import dataclasses

from clipcompat.methods.coop import CoOp
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.training.recipe import Recipe
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
