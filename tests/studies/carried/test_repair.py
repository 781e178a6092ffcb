"""Carried, repaired, retrained: each cell against repairing by hand."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.parts.prompts import readable
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.studies.accuracy import accuracy, correct, percent
from clipcompat.studies.carried import repair as study
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

COOP = CoOp(n_ctx=2, recipe=Recipe(epochs=2, batch_size=4, lr=0.05, warmup_epochs=0))
PROBE = LinearProbe(c=1.0)


@pytest.fixture(scope="module")
def upgrade(mini_old, mini_new):
    return Upgrade(mini_old, mini_new, "mini")


def row_of(method, upgrade, folder, **changes):
    views = 1 if method is COOP else None
    (row,) = study.measure(Experiment(upgrade, {3: toy_dataset(18)}, TunedPlugins(folder, method, views), **changes))
    return row


@pytest.mark.parametrize(("method", "name", "settings"), [
    (PROBE, "map_ridge_25", {"kind": "ridge"}), (COOP, "imitate_50", {"views": 1}),
])  # fmt: skip
def test_a_cell_is_what_repairing_by_hand_gives(method, name, settings, upgrade, tmp_path):
    row, data = row_of(method, upgrade, tmp_path), toy_dataset(18)
    plugin = fit(method, upgrade.old, data, seed=3, views=1 if method is COOP else None)
    found = repair(plugin, upgrade, unlabelled_pictures(data, int(name.rpartition("_")[2]), 3), **settings)
    flips = correct(plugin, upgrade.old, data.test) & ~correct(found, upgrade.new, data.test)
    assert row[name] == accuracy(found, upgrade.new, data.test) and row[f"{name}_flips"] == percent(flips)
    assert row["old"] == accuracy(plugin, upgrade.old, data.test) and row["new"] == accuracy(
        plugin, upgrade.new, data.test
    )
    assert row["zs_new"] == accuracy(fit(ZeroShot(), upgrade.old, data), upgrade.new, data.test)


def test_counts_above_the_pool_are_left_out_and_the_row_says_its_size(upgrade, tmp_path):
    row = row_of(PROBE, upgrade, tmp_path, retrain=False)
    assert row["pictures"] == 54 and "map_orthogonal_50" in row and "map_orthogonal_100" not in row
    assert "retrained" not in row


def test_an_imitation_is_not_asked_to_learn_more_classes_than_it_has_pictures(upgrade, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "IMITATED", (2, 5))
    row = row_of(COOP, upgrade, tmp_path, retrain=False)  # 3 classes
    assert "imitate_5" in row and "imitate_2" not in row


def test_class_names_alone_are_tried_where_a_method_can_have_them(upgrade, tmp_path):
    method = LinearProbe("projected", normalize=True, c=1.0)
    row, data = row_of(method, upgrade, tmp_path, retrain=False), toy_dataset(18)
    sentences = [f"a photo of a {readable(name)}." for name in study._names(data)]
    found = repair(fit(method, upgrade.old, data, seed=3), upgrade, sentences=sentences, kind="relaxed")
    assert row["text_relaxed"] == accuracy(found, upgrade.new, data.test)
    assert "text_relaxed" not in row_of(PROBE, upgrade, tmp_path, retrain=False)


def test_a_method_that_learns_nothing_has_nothing_to_repair(upgrade, tmp_path):
    with pytest.raises(ConfigError, match="zero_shot learns nothing"):
        row_of(ZeroShot(), upgrade, tmp_path)
