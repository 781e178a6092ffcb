"""Maps from other pictures: which pictures they see, and each cell against repairing by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.data.mini.datasets import load_mini
from clipcompat.data.targets import other_names
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.runs.run import Run
from clipcompat.studies.accuracy import accuracy, correct, percent
from clipcompat.studies.carried import elsewhere as study
from clipcompat.studies.experiment import Experiment
from tests.toys import toy_dataset

OTHERS = ("mini/tints", "mini/shapes", "mini/textures")


@pytest.fixture(scope="module")
def others():
    return tuple(load_mini(name, shots=1) for name in OTHERS)


@pytest.fixture
def row_of(mini_old, mini_new, others, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "PICTURES", 12)
    monkeypatch.setattr(study, "MANY", 30)

    def measured(method, seed=2, others=others, retrain=False):
        data, upgrade = toy_dataset(8), Upgrade(mini_old, mini_new, "mini")
        plugins = TunedPlugins(tmp_path, method)
        (row,) = study.measure(Experiment(upgrade, {seed: data}, plugins, retrain=retrain, others=others))
        return row, data, upgrade

    return measured


@pytest.mark.parametrize("method", [LinearProbe(c=1.0), TipAdapter(search=False)], ids=lambda method: method.name)
def test_a_cell_is_what_repairing_by_hand_gives(method, row_of, others):
    row, data, upgrade = row_of(method)
    plugin = fit(method, upgrade.old, data, seed=2)
    seen = {"map_ridge_12": unlabelled_pictures(data, 12, 2), "other_ridge_12": unlabelled_pictures(others[1], 12, 2)}
    assert row["elsewhere"] == "mini/shapes"
    for name, pictures in seen.items():
        found = repair(plugin, upgrade, pictures, kind="ridge")
        flips = correct(plugin, upgrade.old, data.test) & ~correct(found, upgrade.new, data.test)
        assert row[name] == pytest.approx(accuracy(found, upgrade.new, data.test)), name
        assert row[f"{name}_flips"] == pytest.approx(percent(flips))
    assert row["new"] == accuracy(plugin, upgrade.new, data.test) and "retrained" not in row


def test_a_mixture_has_equally_many_of_each_other_set_and_none_of_the_task(others, monkeypatch):
    monkeypatch.setattr(study, "PICTURES", 12)
    monkeypatch.setattr(study, "MANY", 30)
    found = study.drawn(toy_dataset(8), others, 3)
    for count in (12, 30):
        mixed = found[f"mixed_{{}}_{count}"]
        keys = [mixed.key(i) for i in range(len(mixed))]
        assert len(set(keys)) == count
        for name in OTHERS:
            assert sum(f":{name.removeprefix('mini/')}/" in key for key in keys) == count // len(OTHERS)
    one = found["other_{}_12"]
    assert all(one.key(i).startswith("0:textures/") for i in range(len(one)))  # the third, with seed 3


def test_what_a_pool_is_too_small_for_is_left_out(row_of, others):
    small = replace(others[0], unlabelled=others[0].unlabelled.select([0, 1, 2, 3]))
    row, *_ = row_of(LinearProbe(c=1.0), seed=1, others=(small, *others[1:]))
    assert "mixed_ridge_12" in row and "map_ridge_12" in row
    assert not {"other_ridge_12", "mixed_ridge_30"} & row.keys()


def test_retraining_stands_beside_it_if_it_was_asked_for(row_of):
    row, data, upgrade = row_of(LinearProbe(c=1.0), retrain=True)
    again = fit(LinearProbe(c=1.0), upgrade.new, data, seed=2)
    assert row["retrained"] == accuracy(again, upgrade.new, data.test)


def test_a_method_that_no_map_repairs_is_refused(row_of):
    with pytest.raises(ConfigError, match="no map of image features repairs coop"):
        row_of(CoOp())


def test_a_run_has_all_other_sets_and_its_record_names_them():
    run = Run("gda", "mini/satellite", "mini", study="elsewhere", device="cpu")
    assert tuple(data.name for data in run.others()) == other_names("mini/satellite")
    inputs = run._all_inputs({1: load_mini("mini/satellite")}, run.others())
    assert inputs["elsewhere"] == {name: load_mini(name).test.stamp for name in other_names("mini/satellite")}


def test_a_run_on_a_set_that_has_no_others_is_refused_before_anything_is_loaded():
    with pytest.raises(ConfigError, match="none of the eleven sets"):
        Run("gda", "mini/dev-walls", "mini", study="elsewhere", device="cpu")
