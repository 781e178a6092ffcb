"""Plug-ins tested in mixed text towers, against testing picture by picture."""

from __future__ import annotations

import pytest

from clipcompat.backbones.text.parts import part_names
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.studies.accuracy import accuracy
from clipcompat.studies.drift.swap import measure, swap_name, swaps
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

COOP = CoOp(n_ctx=2, recipe=Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0))


def experiment(folder, old, new, method=COOP) -> Experiment:
    return Experiment(Upgrade(old, new), {1: toy_dataset(), 2: toy_dataset()}, TunedPlugins(folder, method, views=1))


def test_every_tower_comes_once_under_one_name():
    found = swaps(6)
    assert len(set(found.values())) == len(found)
    assert found["none"] == frozenset() and found["all"] == frozenset(part_names(6))
    assert found["up to block 1"] == {"tokens", "positions", "block 1"} and found["from block 6"] == {"block 6", "head"}
    for part in part_names(6):
        assert found[swap_name({part}, 6)] == {part}
        assert found[swap_name(set(part_names(6)) - {part}, 6)] == set(part_names(6)) - {part}
    assert len(swaps(12)) == len(found) + 4 * 6  # alone, up to, from, all but


def picture_by_picture(plugin, text, pictures, split) -> float:
    weights = plugin.class_weights(text, split.classnames)
    right = 0
    for i in range(len(split)):
        feature = pictures.encode_image(pictures.preprocess.test(split.images[i])[None])[0]
        right += int((weights @ feature).argmax()) == int(split.labels[i])
    return 100 * right / len(split)


def test_accuracies_are_those_of_counting_by_hand(old, new, tmp_path):
    asked = experiment(tmp_path, old, new)
    rows = list(measure(asked))
    assert [row["seed"] for row in rows] == [1, 2]
    for row in rows:
        plugin = asked.plugins.tune(old, {row["seed"]: asked.datasets[row["seed"]]})[row["seed"]]
        for name in ("none", "tokens", "block 3", "all but block 2", "activation"):
            text = old.with_text_parts(new, swaps(6)[name])
            expected = [picture_by_picture(plugin, text, pictures, toy_dataset().test) for pictures in (old, new)]
            assert row["accuracies"][name] == pytest.approx(expected)
        assert set(row["accuracies"]) == set(swaps(6))


def test_the_ends_are_the_whole_backbones(old, new, tmp_path):
    asked = experiment(tmp_path, old, new)
    row = next(measure(asked))
    plugin = asked.plugins.tune(old, {1: asked.datasets[1]})[1]
    assert row["old"] == accuracy(plugin, old, asked.datasets[1].test) == row["accuracies"]["none"][0]
    assert row["new"] == accuracy(plugin, new, asked.datasets[1].test) == row["accuracies"]["all"][1]
    assert [row["new_pictures"], row["new_text"]] == [row["accuracies"]["none"][1], row["accuracies"]["all"][0]]
    assert row["training_seconds"]["retrain"] is None and row["epochs"] == 2


def test_zero_shot_is_a_row_of_the_study_and_methods_without_prompts_are_refused(old, new, tmp_path):
    assert next(measure(experiment(tmp_path, old, new, ZeroShot())))["method"] == "zero_shot"
    with pytest.raises(ConfigError, match="linear_probe acts on image features"):
        next(measure(experiment(tmp_path, old, new, LinearProbe())))
