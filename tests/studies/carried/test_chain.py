"""A plug-in carried through three generations, against testing it on each by itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement

import pytest

from clipcompat.backbones.mini.models import load_mini
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import CheckpointError, ConfigError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.studies.accuracy import accuracy
from clipcompat.studies.carried import chain
from clipcompat.studies.carried.chain import chain_accuracies
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

COOP = CoOp(n_ctx=2, recipe=Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0))


@pytest.fixture(scope="module")
def generations():
    return tuple(load_mini(name, seed=n) for n, name in enumerate(("mini-old", "mini-new", "mini-newer")))


def test_every_generation_is_tested_with_the_plugins_of_itself_and_of_all_earlier_ones(generations):
    data = toy_dataset()
    plugins = {i: fit(COOP, backbone, data, views=1) for i, backbone in enumerate(generations)}
    found = chain_accuracies(plugins, generations, data)
    pairs = list(combinations_with_replacement(range(3), 2))
    assert set(found) == {f"from_{i}_at_{j}" for i, j in pairs} | {f"zero_shot_at_{j}" for j in range(3)}
    for i, j in pairs:
        assert found[f"from_{i}_at_{j}"] == accuracy(plugins[i], generations[j], data.test)
    for j, backbone in enumerate(generations):
        assert found[f"zero_shot_at_{j}"] == accuracy(fit(ZeroShot(), backbone, data), backbone, data.test)


def test_a_plugin_of_another_generation_is_refused(generations):
    plugin = fit(COOP, generations[1], toy_dataset(), views=1)
    with pytest.raises(ConfigError, match="generation 0 of this chain is mini-old"):
        chain_accuracies({0: plugin}, generations, toy_dataset())


def experiment(folder, upgrade, **changes) -> Experiment:
    plain = Experiment(upgrade, {1: toy_dataset()}, TunedPlugins(folder, COOP, views=1))
    return replace(plain, **changes)


def test_the_study_gives_one_row_per_seed_and_names_the_generations(generations, tmp_path):
    upgrade = Upgrade(*generations[:2], "mini")
    (row,) = chain.measure(experiment(tmp_path, upgrade))
    assert [backbone["name"] for backbone in row["generations"]] == ["mini-old", "mini-new", "mini-newer"]
    assert row["seed"] == 1 and set(row["training_seconds"]) == {"at_0", "at_1", "at_2"}
    assert {"from_0_at_2", "from_1_at_2", "from_2_at_2", "zero_shot_at_2"} < set(row)


def test_without_retraining_only_the_oldest_plugin_is_tested(generations, tmp_path):
    (row,) = chain.measure(experiment(tmp_path, Upgrade(*generations[:2], "mini"), retrain=False))
    assert "from_0_at_2" in row and "from_1_at_2" not in row


def test_a_missing_generation_is_told_before_anything_is_tuned(generations, tmp_path, monkeypatch):
    monkeypatch.setattr("clipcompat.plugins.kept.fit_many", lambda *_, **__: pytest.fail("a plug-in was tuned"))
    upgrade = Upgrade(*generations[:2], "mini-old,mini-new,mini-newer:nowhere.safetensors")
    with pytest.raises(CheckpointError, match="nowhere.safetensors"):
        next(chain.measure(experiment(tmp_path, upgrade)))


def test_a_family_of_two_generations_is_no_chain(generations, tmp_path):
    with pytest.raises(ConfigError, match="a chain needs a third"):
        next(chain.measure(experiment(tmp_path, Upgrade(*generations[:2], "mini-identity"))))
