"""A change of weights, masked by the gradient of a few pictures: each cell against a repair by hand."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import IncompatibleError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.deep.clip_lora import CLIPLoRA
from clipcompat.methods.deep.prolip import ProLIP
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.repair.repair import repair
from clipcompat.studies.accuracy import accuracy, correct, percent
from clipcompat.studies.carried import signs as study
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

SHORT = Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0)


@pytest.mark.parametrize("method", [CLIPLoRA(recipe=SHORT), ProLIP(recipe=SHORT, carried="difference")])
def test_a_cell_is_what_a_repair_by_hand_gives(mini_old, mini_new, tmp_path, method):
    upgrade, data = Upgrade(mini_old, mini_new, "mini"), toy_dataset(4)
    (row,) = study.measure(Experiment(upgrade, {3: data}, TunedPlugins(tmp_path, method, 1)))
    plugin = fit(method, mini_old, data, seed=3, views=1)
    by_hand = {
        "new": plugin,
        "retrained": fit(method, mini_new, data, seed=3, views=1),
        "signs_1": repair(plugin, upgrade, data.few(1).train, how="signs"),
        "signs_4": repair(plugin, upgrade, data.train, how="signs"),
    }
    for name, expected in by_hand.items():
        flips = correct(plugin, mini_old, data.test) & ~correct(expected, mini_new, data.test)
        assert row[name] == accuracy(expected, mini_new, data.test) and row[f"{name}_flips"] == percent(flips)
    assert "signs_16" not in row, "there are four pictures of a class"


def test_a_prompt_has_no_change_of_weights(mini_old, mini_new, tmp_path):
    coop = CoOp(n_ctx=2, recipe=Recipe(epochs=1, batch_size=6, lr=0.01))
    upgrade = Upgrade(mini_old, mini_new, "mini")
    with pytest.raises(IncompatibleError, match="changes no weights"):
        next(study.measure(Experiment(upgrade, {3: toy_dataset(1)}, TunedPlugins(tmp_path, coop, 1))))
