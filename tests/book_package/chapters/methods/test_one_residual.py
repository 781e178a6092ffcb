"""The method that chapter 01 writes from nothing does what every method does."""

from __future__ import annotations

import inspect

import torch

from clipcompat.backbones.upgrade import load_upgrade
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.export import export_class_weights
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.compatibility import compatibility
from clipcompat_book.chapters.methods import one_residual
from clipcompat_book.chapters.methods.one_residual import OneResidual
from tests.methods.learners import plugin_of
from tests.toys import toy_dataset, toy_split


def test_it_is_written_in_forty_lines():
    lines = [line for line in inspect.getsource(one_residual).splitlines() if line.strip()]
    assert len(lines) <= 45


def test_before_training_it_is_zero_shot_and_training_lowers_its_loss(old, new):
    data, split = toy_dataset(), toy_split("test", 2)
    untrained = plugin_of(OneResidual(), {"x": torch.zeros(old.dim)}, old)
    plain = plugin_of(ZeroShot(), {}, old)
    for backbone in (old, new):
        torch.testing.assert_close(untrained.logits(backbone, split), plain.logits(backbone, split))
    plugin = fit(OneResidual(), old, data)

    def loss(each: Plugin) -> float:
        return float(torch.nn.functional.cross_entropy(each.logits(old, data.train), data.train.labels))

    assert loss(plugin) < loss(untrained)


def test_it_fits_other_class_names_and_another_backbone_and_is_measured_like_any_other(old, new, tmp_path):
    plugin = fit(OneResidual(), old, toy_dataset())
    assert plugin.match(new, ["grey wolf", "owl"]).kind == "compatible"
    assert plugin.class_weights(new, ["grey wolf", "owl"]).shape == (2, new.dim)
    upgrade = load_upgrade("mini", old_weights="random:1", new_weights="random:2")
    report = compatibility(fit(OneResidual(), upgrade.old, toy_dataset()), upgrade, toy_dataset())
    assert report.method == "one_residual" and report.retrained is not None
    assert export_class_weights(plugin, old, tmp_path / "w.safetensors", classnames=["owl"]).exists()
