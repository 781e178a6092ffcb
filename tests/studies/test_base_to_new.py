"""Base classes, new classes and both at once, against testing each by hand."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.runs.run import Run
from clipcompat.studies import base_to_new as study
from clipcompat.studies.base_to_new import base_to_new
from clipcompat.studies.experiment import Experiment
from clipcompat.studies.report import harmonic_mean
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

COOP = CoOp(n_ctx=2, recipe=Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0))
NAMES = ("red fox", "owl", "snow leopard cub", "yak", "wren")


def by_hand(plugin, backbone, split) -> float:
    """Percent of the images of a split that are right among its own names."""
    weights = plugin.class_weights(backbone, split.classnames)
    right = 0
    for i in range(len(split)):
        feature = backbone.encode_image(backbone.preprocess.test(split.images[i])[None])[0]
        right += int((weights @ feature).argmax()) == int(split.labels[i])
    return 100 * right / len(split)


def test_each_half_is_tested_among_its_own_names_and_joint_among_all(old):
    data = toy_dataset(classnames=NAMES)
    plugin = fit(COOP, old, data.base_classes(), views=1)
    found = base_to_new(plugin, old, data)
    assert found.base == pytest.approx(by_hand(plugin, old, data.base_classes().test))
    assert found.new == pytest.approx(by_hand(plugin, old, data.new_classes().test))
    assert found.joint == pytest.approx(by_hand(plugin, old, data.test))
    assert found.h_classes == harmonic_mean(found.base, found.new)


def test_zero_shot_was_tuned_on_no_classes_and_is_accepted(old):
    data = toy_dataset(classnames=NAMES)
    assert base_to_new(fit(ZeroShot(), old, data), old, data).to_dict().keys() == {"base", "new", "h_classes", "joint"}


def test_a_plugin_that_saw_new_classes_is_refused(old):
    data = toy_dataset(classnames=NAMES)
    with pytest.raises(ConfigError, match="tuned on 5 classes, which are not the base classes"):
        base_to_new(fit(COOP, old, data, views=1), old, data)


def test_a_method_with_vectors_for_single_classes_cannot_act_on_new_ones(old):
    data = toy_dataset(classnames=NAMES)
    probe = fit(LinearProbe(), old, data.base_classes())
    with pytest.raises(IncompatibleError):
        base_to_new(probe, old, data)


def test_the_study_tests_the_carried_and_the_retrained_plugin(mini_old, mini_new, tmp_path):
    data = toy_dataset(classnames=NAMES)
    plugins = TunedPlugins(tmp_path, COOP, views=1)
    (row,) = study.measure(Experiment(Upgrade(mini_old, mini_new), {2: data}, plugins))
    plugin = fit(COOP, mini_old, data.base_classes(), seed=2, views=1)
    retrained = fit(COOP, mini_new, data.base_classes(), seed=2, views=1)
    assert row["carried_new"] == base_to_new(plugin, mini_new, data).new
    assert row["old_joint"] == base_to_new(plugin, mini_old, data).joint
    assert row["retrained_h_classes"] == base_to_new(retrained, mini_new, data).h_classes
    assert row["zs_new_base"] == base_to_new(fit(ZeroShot(), mini_old, data), mini_new, data).base
    assert torch.isfinite(torch.tensor([v for v in row.values() if isinstance(v, float)])).all()


def test_a_part_of_the_classes_cannot_be_asked_for():
    with pytest.raises(ConfigError, match="base_to_new tests all classes, not 'base'"):
        Run("coop", "mini/textures", classes="base", study="base_to_new")
