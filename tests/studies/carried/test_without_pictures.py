"""Repaired without pictures: each cell against repairing by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.data.mini.captions import captions
from clipcompat.data.mini.world import sample_scenes
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.repair.repair import repair
from clipcompat.studies.accuracy import accuracy, correct, percent
from clipcompat.studies.carried import without_pictures as study
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

RECIPE = Recipe(epochs=2, batch_size=4, lr=0.05, warmup_epochs=0)
COOP, COCOOP = CoOp(n_ctx=2, recipe=RECIPE), CoCoOp(recipe=replace(RECIPE, epochs=1))
PROBE = LinearProbe("projected", normalize=True, c=1.0)


@pytest.fixture(scope="module")
def upgrade(mini_old, mini_new):
    return Upgrade(mini_old, mini_new, "mini")


def row_of(method, upgrade, folder, kind="mini"):
    views = 1 if hasattr(method, "n_ctx") else None
    data = replace(toy_dataset(4), kind=kind)
    experiment = Experiment(upgrade, {3: data}, TunedPlugins(folder, method, views), retrain=False)
    (row,) = study.measure(experiment)
    return row, data, fit(method, upgrade.old, data, seed=3, views=views)


@pytest.mark.parametrize("how", ["tokens", "anchors"])
def test_a_moved_prompt_has_the_accuracy_that_moving_by_hand_gives(how, upgrade, tmp_path):
    row, data, plugin = row_of(COOP, upgrade, tmp_path)
    found = repair(plugin, upgrade, how=how)
    flips = correct(plugin, upgrade.old, data.test) & ~correct(found, upgrade.new, data.test)
    assert row[how] == accuracy(found, upgrade.new, data.test) and row[f"{how}_flips"] == percent(flips)
    assert row["new"] == accuracy(plugin, upgrade.new, data.test)
    assert "retrained" not in row and not any(name.startswith("sentences") for name in row)


def test_rows_over_image_features_are_mapped_by_captions_of_the_mini_world(upgrade, tmp_path):
    row, data, plugin = row_of(PROBE, upgrade, tmp_path)
    index = np.arange(200)
    sentences = captions(sample_scenes(777, index), 777, index)
    found = repair(plugin, upgrade, sentences=sentences, kind="ridge")
    assert row["sentences_ridge_200"] == accuracy(found, upgrade.new, data.test)
    assert study.sentences_for(data, 300)[:200] == sentences and "tokens" not in row


def test_elsewhere_sentences_are_class_names_of_imagenet(upgrade, tmp_path):
    data = replace(toy_dataset(4), kind="public")
    assert study.sentences_for(data, 2) == ["a photo of a tench.", "a photo of a goldfish."]
    assert len(study.sentences_for(data, 1000)) == 1000


def test_the_meta_net_of_cocoop_also_gets_sentences(upgrade, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "SENTENCES", (20,))
    row, data, plugin = row_of(COCOOP, upgrade, tmp_path)
    found = repair(plugin, upgrade, how="tokens", sentences=study.sentences_for(data, 20))
    assert row["tokens_20"] == accuracy(found, upgrade.new, data.test)


@pytest.mark.parametrize("method", [CLIPAdapter(), LinearProbe(c=1.0)], ids=lambda m: m.name)
def test_a_method_that_needs_pictures_is_refused(method, upgrade, tmp_path):
    with pytest.raises(ConfigError, match=f"{method.name} cannot be repaired without pictures"):
        row_of(method, upgrade, tmp_path)
