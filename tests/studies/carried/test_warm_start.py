"""Retraining from the carried plug-in and from scratch, against training by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.studies.accuracy import accuracy, correct, percent
from clipcompat.studies.carried import warm_start
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

RECIPE = Recipe(epochs=3, batch_size=3, lr=0.05, warmup_epochs=0)
COOP = CoOp(n_ctx=2, recipe=RECIPE)


@pytest.fixture(scope="module")
def row(mini_old, mini_new, tmp_path_factory):
    plugins = TunedPlugins(tmp_path_factory.mktemp("plugins"), COOP, views=1)
    (row,) = warm_start.measure(Experiment(Upgrade(mini_old, mini_new), {3: toy_dataset(4)}, plugins))
    return row


def test_every_start_is_trained_on_every_number_of_shots_and_epochs(row):
    ends = ("1_shots", "2_shots", "2_epochs", "all")  # 4 shots and 3 epochs are all
    starts = ("scratch", "carried", "repaired")
    expected = {f"{start}_{end}" for start in starts for end in ends} | {"repaired"}  # the last before any label
    names = {name for name in row if name.startswith(starts)}
    assert names == expected | {f"{name}_flips" for name in expected}
    assert row["epochs"] == 3 and row["training_seconds"].keys() == {"old", *expected}


@pytest.mark.parametrize("start", ["scratch", "carried", "repaired"])
def test_a_cell_is_what_training_by_hand_gives(row, old, new, start):
    data = toy_dataset(4)
    plugin = fit(COOP, old, data, seed=3, views=1)
    repaired = repair(plugin, Upgrade(old, new), unlabelled_pictures(data, 200, seed=3), views=1, progress=False)
    init = {"scratch": None, "carried": plugin, "repaired": repaired}[start]
    few = fit(COOP, new, data.few(2), seed=3, init=init, views=1)
    short = fit(replace(COOP, recipe=replace(RECIPE, epochs=2)), new, data, seed=3, init=init, views=1)
    assert row["old"] == accuracy(plugin, old, data.test) and row["new"] == accuracy(plugin, new, data.test)
    assert row[f"{start}_2_shots"] == accuracy(few, new, data.test)
    assert row[f"{start}_2_epochs"] == accuracy(short, new, data.test)
    assert row["repaired"] == accuracy(repaired, new, data.test)
    flips = correct(plugin, old, data.test) & ~correct(short, new, data.test)
    assert row[f"{start}_2_epochs_flips"] == percent(flips)


def test_a_method_without_a_training_has_no_warm_start(old, new, tmp_path):
    plugins = TunedPlugins(tmp_path, ZeroShot())
    with pytest.raises(ConfigError, match="this is zero_shot"):
        next(warm_start.measure(Experiment(Upgrade(old, new), {1: toy_dataset()}, plugins)))
