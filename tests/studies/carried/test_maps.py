"""Every kind of map: each cell against repairing by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.studies.accuracy import accuracy, correct, percent
from clipcompat.studies.carried import maps as study
from clipcompat.studies.carried.without_pictures import sentences_for
from clipcompat.studies.experiment import Experiment
from tests.toys import toy_dataset

CACHE, PROBE = TipAdapter(search=False), LinearProbe(c=1.0)


@pytest.fixture(scope="module")
def upgrade(mini_old, mini_new):
    return Upgrade(mini_old, mini_new, "mini")


@pytest.fixture
def row_of(upgrade, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "PICTURES", 30)
    monkeypatch.setattr(study, "SHOWN", (9, 30, 55))

    def measured(method):
        data = replace(toy_dataset(18), kind="mini")
        (row,) = study.measure(Experiment(upgrade, {3: data}, TunedPlugins(tmp_path, method), retrain=False))
        return row, data

    return measured


@pytest.mark.parametrize(("name", "count", "settings", "reads"), [
    ("map_low_rank_30", 30, {"kind": "low_rank"}, False), ("map_residual_30", 30, {"kind": "residual"}, False),
    ("map_orthogonal_30", 30, {}, False), ("sentences_200", 0, {}, True), ("means_9", 9, {}, True),
])  # fmt: skip
def test_a_cell_is_what_repairing_by_hand_gives(name, count, settings, reads, row_of, upgrade):
    row, data = row_of(CACHE)
    plugin = fit(CACHE, upgrade.old, data, seed=3)
    seen = {"pictures": unlabelled_pictures(data, count, 3)} if count else {}
    seen |= {"sentences": sentences_for(data, 200)} if reads else {}
    found = repair(plugin, upgrade, **seen, **settings)
    flips = correct(plugin, upgrade.old, data.test) & ~correct(found, upgrade.new, data.test)
    assert row[name] == accuracy(found, upgrade.new, data.test) and row[f"{name}_flips"] == percent(flips)
    assert row["new"] == accuracy(plugin, upgrade.new, data.test)
    assert row["zs_new"] == accuracy(fit(ZeroShot(), upgrade.old, data), upgrade.new, data.test)


def test_numbers_above_the_pool_are_left_out_and_so_is_what_a_method_cannot_have(row_of):
    row, _ = row_of(CACHE)
    assert row["pictures"] == 54 and "means_30" in row and "means_55" not in row and "retrained" not in row
    row, _ = row_of(PROBE)
    assert "map_low_rank_30" in row and "map_residual_30" not in row
    assert not any(name.startswith(("sentences", "means")) for name in row)


def test_a_method_that_no_map_repairs_is_refused(row_of):
    with pytest.raises(ConfigError, match="no map of image features repairs coop"):
        row_of(CoOp())
