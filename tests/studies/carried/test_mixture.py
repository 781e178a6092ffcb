"""A dual prompt with every weight: 0 is the learner, 1 the parallel prompt, and both are tested as a plug-in is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.studies.base_to_new import base_to_new
from clipcompat.studies.carried.mixture import OMEGAS, measure, mixtures
from clipcompat.studies.drift.channels import channel_invariance
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

SHORT = Recipe(epochs=2, batch_size=3, lr=0.2, warmup_epochs=0)
COOP = CoOp(n_ctx=2, recipe=SHORT)
DUAL = DPC(learner=COOP, recipe=SHORT, gradient="plain", top_k=2)
NAMES = ("red fox", "owl", "snow leopard cub", "yak", "wren", "lynx")


@pytest.fixture(scope="module")
def data():
    return toy_dataset(classnames=NAMES)


@pytest.fixture(scope="module")
def plugins(mini_old, data):
    """The learner's plug-in and the dual one that starts from it."""
    first = fit(COOP, mini_old, data.base_classes(), seed=2, views=1)
    return first, fit(DUAL, mini_old, data.base_classes(), seed=2, views=1, init=first)


def test_a_weight_of_0_is_the_learner_and_every_other_one_the_plugin_with_that_weight(
    plugins, mini_old, mini_new, data
):
    first, dual = plugins
    for backbone in (mini_old, mini_new):
        found = mixtures(dual, backbone, data, (0.0, 0.3, 1.0))
        alone = base_to_new(first, backbone, data)
        assert (found["base"][0], found["new"][0]) == (alone.base, alone.new)
        for omega, base, new in zip((0.3, 1.0), found["base"][1:], found["new"][1:], strict=True):
            tested = base_to_new(replace(dual, method=replace(DUAL, omega_base=omega, omega_new=omega)), backbone, data)
            assert (base, new) == (tested.base, tested.new)


def test_certainty_is_read_without_labels(plugins, mini_old, data):
    _, dual = plugins
    (certainty,) = mixtures(dual, mini_old, data, (0.3,))["certainty"]
    method = replace(DUAL, omega_base=0.3, omega_new=0.3)
    logits = replace(dual, method=method).logits(mini_old, data.base_classes().test)
    assert certainty == pytest.approx(100 * float(logits.softmax(-1).amax(-1).mean()), abs=1e-3)


def test_the_study_tests_one_training_on_both_backbones(plugins, mini_old, mini_new, data, tmp_path):
    first, dual = plugins
    kept = TunedPlugins(tmp_path, DUAL, views=1)
    (row,) = measure(Experiment(Upgrade(mini_old, mini_new), {2: data}, kept))
    assert row["omegas"] == list(OMEGAS) and OMEGAS[0] == 0 and OMEGAS[-1] == 1
    for whose, backbone in (("old", mini_old), ("carried", mini_new)):
        assert row[f"{whose}_base"] == mixtures(dual, backbone, data)["base"]
        assert row[f"{whose}_joint"] == base_to_new(dual, backbone, data).joint
        assert row[f"{whose}_joint_first"] == base_to_new(first, backbone, data).joint
    step = channel_invariance(dual.tensors["stage1.ctx"], dual.tensors["parallel.ctx"])
    assert (row["step"], row["random_overlap"]) == (step.step, step.random_overlap)


def test_the_learner_alone_is_the_same_for_the_released_preset(mini_old, mini_new, data, tmp_path):
    """That preset tests base names with the parallel prompt, whatever the weight is."""
    released = replace(DUAL, preset="released")
    kept = TunedPlugins(tmp_path, released, views=1)
    (row,) = measure(Experiment(Upgrade(mini_old, mini_new), {2: data}, kept))
    plugin = kept.tune(mini_old, {2: data.base_classes()})[2]
    first = replace(plugin, method=replace(DUAL, omega_base=0.0, omega_new=0.0))
    assert row["old_joint_first"] == base_to_new(first, mini_old, data).joint
    assert row["old_joint"] == base_to_new(plugin, mini_old, data).joint
    parallel = replace(first, method=replace(DUAL, omega_base=1.0, omega_new=0.0))
    assert row["old_joint"] == base_to_new(parallel, mini_old, data).joint


def test_another_method_has_no_weight_to_choose(plugins, mini_old, mini_new, data, tmp_path):
    first, _ = plugins
    with pytest.raises(ConfigError, match="this one is of coop, not dpc"):
        mixtures(first, mini_old, data)
    with pytest.raises(ConfigError, match="the study mixture is of the method dpc, not of coop"):
        next(measure(Experiment(Upgrade(mini_old, mini_new), {2: data}, TunedPlugins(tmp_path, COOP, views=1))))
