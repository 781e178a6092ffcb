"""Retrained with and without focal distillation: each cell against training by hand."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.plugins.fit import fit
from clipcompat.plugins.focal import FocalDistillation
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.studies.accuracy import accuracy, correct, percent
from clipcompat.studies.carried import focal as study
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

COOP = CoOp(n_ctx=2, recipe=Recipe(epochs=2, batch_size=4, lr=0.05, warmup_epochs=0))


def test_a_cell_is_what_training_by_hand_gives(mini_old, mini_new, tmp_path):
    upgrade, data = Upgrade(mini_old, mini_new, "mini"), toy_dataset()
    (row,) = study.measure(Experiment(upgrade, {3: data}, TunedPlugins(tmp_path, COOP, 1)))
    plugin = fit(COOP, mini_old, data, seed=3, views=1)
    focal = FocalDistillation(plugin, mini_old, weight=4.0)
    by_hand = {
        "new": plugin,
        "scratch": fit(COOP, mini_new, data, seed=3, views=1),
        "warm": fit(COOP, mini_new, data, seed=3, views=1, init=plugin),
        "focal_4": fit(COOP, mini_new, data, seed=3, views=1, init=plugin, focal=focal),
    }
    for name, expected in by_hand.items():
        flips = correct(plugin, mini_old, data.test) & ~correct(expected, mini_new, data.test)
        assert row[name] == accuracy(expected, mini_new, data.test) and row[f"{name}_flips"] == percent(flips)


def test_a_probe_in_closed_form_has_no_warm_start(mini_old, mini_new, tmp_path):
    upgrade, data, probe = Upgrade(mini_old, mini_new, "mini"), toy_dataset(), LinearProbe(c=1.0)
    (row,) = study.measure(Experiment(upgrade, {3: data}, TunedPlugins(tmp_path, probe)))
    plugin = fit(probe, mini_old, data, seed=3)
    held = fit(probe, mini_new, data, seed=3, focal=FocalDistillation(plugin, mini_old))
    assert "warm" not in row and row["focal_1"] == accuracy(held, mini_new, data.test)


def test_it_needs_retraining(mini_old, mini_new, tmp_path):
    upgrade = Upgrade(mini_old, mini_new, "mini")
    experiment = Experiment(upgrade, {3: toy_dataset()}, TunedPlugins(tmp_path, COOP, 1), retrain=False)
    with pytest.raises(ConfigError, match="ask for retraining"):
        next(study.measure(experiment))
