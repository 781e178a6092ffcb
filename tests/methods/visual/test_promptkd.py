"""PromptKD as a user meets it: it needs a teacher and no label, and knows the classes it was trained on."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, IncompatibleError, PluginError, UnknownNameError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.defaults import default_method
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit, fit_many
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.plugin import load_plugin
from clipcompat.studies.base_to_new import base_to_new, measure
from clipcompat.studies.carried.cross_tower import cross_tower
from clipcompat.studies.compatibility import compatibility
from clipcompat.studies.experiment import Experiment
from clipcompat.training import task as training_task
from clipcompat.training.recipe import Recipe
from clipcompat_book.miniature import tune
from tests.toys import NAMES, toy_dataset

METHOD = PromptKD(recipe=Recipe(epochs=3, batch_size=5, lr=0.05))

SHORT = Recipe(epochs=1, batch_size=6, lr=0.05)


@pytest.fixture(scope="module")
def wide():
    return load_backbone("mini-large-old", "random:3", device="cpu", dtype="fp32")


@pytest.fixture(scope="module")
def teacher(wide):
    method = PromptSRC(recipe=Recipe(epochs=1, batch_size=6, lr=0.05), templates="data")
    return fit(method, wide, toy_dataset().base_classes()), wide


def student(backbone, teacher, method=METHOD, **options):
    return fit(method, backbone, toy_dataset(), teacher=teacher, **options)


def test_a_student_of_a_wider_tower_is_saved_with_its_teacher_s_class_vectors(old, new, teacher, tmp_path):
    plugin = student(old, teacher)
    shapes = {name: tuple(t.shape) for name, t in plugin.tensors.items()}
    assert shapes["projector.0.weight"] == (160, 128) and shapes["projector.3.weight"] == (160, 160)
    assert shapes["classes"] == (3, 160) and shapes["deep_visual"] == (2, 4, 128)
    torch.testing.assert_close(plugin.tensors["classes"], teacher[0].class_weights(teacher[1], NAMES))
    assert plugin.origin["teacher"] == {
        "method": "promptsrc",
        "stamp": teacher[0].stamp,
        "backbone": teacher[1].description,
    }
    again, data = load_plugin(plugin.save(tmp_path / "student.safetensors")), toy_dataset()
    for backbone, kind in ((old, "exact"), (new, "compatible")):
        assert again.match(backbone).kind == kind
        expected = again.logits(backbone, data.test).softmax(-1)
        named = dict(again.predict(backbone, data.test.images[7]))
        torch.testing.assert_close(torch.tensor([named[n] for n in NAMES]), expected[7], rtol=1e-4, atol=1e-5)


def test_some_of_its_classes_in_any_order_are_answered_and_others_refused(old, teacher):
    plugin, data = student(old, teacher), toy_dataset()
    whole = plugin.logits(old, data.test)
    some = dataclasses.replace(data.test, classnames=(NAMES[2], NAMES[0]), labels=data.test.labels % 2)
    assert torch.equal(plugin.logits(old, some), whole[:, [2, 0]])
    assert plugin.match(old, [*NAMES[:2], "grey wolf"]).why == (
        "promptkd cannot act on mini-old: it knows the classes of its training only, and 'grey wolf' is none of them."
    )
    halves = base_to_new(plugin, old, data)  # it read no label, so all classes may have been there
    assert halves.joint == pytest.approx(100 * float((whole.argmax(-1) == data.test.labels).double().mean()))
    other = fit(METHOD, old, toy_dataset(classnames=NAMES[:2]), teacher=teacher)
    with pytest.raises(IncompatibleError, match="'snow leopard cub' is none of them"):
        base_to_new(other, old, data)


def test_labels_are_not_read_and_pixels_are_the_same_wherever_they_are(old, teacher, monkeypatch):
    plugin, data = student(old, teacher), toy_dataset()
    train = dataclasses.replace(data.train, labels=data.train.labels.flip(0))
    shuffled = fit(METHOD, old, dataclasses.replace(data, train=train), teacher=teacher)
    assert shuffled.stamp == plugin.stamp
    monkeypatch.setattr(training_task, "pixel_views", lambda *args: None)
    assert student(old, teacher).stamp == plugin.stamp
    asked = []
    see = type(old).image_features
    monkeypatch.setattr(type(old), "image_features", lambda b, *args: asked.append(b.name) or see(b, *args))
    drawn_anew = student(old, teacher, views=0)  # the teacher is asked in every step
    assert len(asked) == 6 and set(asked) == {"mini-large-old"}
    assert all(torch.allclose(drawn_anew.tensors[k], t, rtol=0, atol=1e-5) for k, t in plugin.tensors.items())


def test_it_goes_through_an_upgrade_with_a_student_of_the_new_tower_beside_it(old, new, teacher):
    data, plugin, again = toy_dataset(), student(old, teacher), student(new, teacher)
    report = compatibility(plugin, Upgrade(old, new), data, retrained=again)
    assert all(0 <= share <= 100 for share in (report.old, report.new, report.retrained))
    with pytest.raises(ConfigError, match="promptkd learns from a teacher"):
        compatibility(plugin, Upgrade(old, new), data)
    towers = cross_tower(plugin, Upgrade(old, new), data, retrained=False)
    assert towers.side == "image" and towers.carried.old_new == towers.carried.old_old
    large = plugin.match(teacher[1])
    assert "its tensor visual should be [4, 160], but is [4, 128]" in large.why


def test_a_teacher_that_cannot_teach_is_refused(old, wide, teacher, monkeypatch):
    with pytest.raises(ConfigError, match=r"give fit\(…, teacher=\(plugin, backbone\)\)"):
        student(old, None)
    with pytest.raises(ConfigError, match="promptkd learns from a teacher"):
        fit_many(METHOD, old, [toy_dataset()], seeds=[1])
    with pytest.raises(IncompatibleError, match="the teacher does not fit its backbone: .* has 160 channels"):
        student(old, (teacher[0], old))
    with pytest.raises(ConfigError, match="coop has no teacher; drop teacher="):
        fit(CoOp(n_ctx=2), old, toy_dataset(), teacher=teacher)
    probe = fit(LinearProbe(c=1.0), wide, toy_dataset(), views=1)
    with pytest.raises(PluginError, match="linear_probe has no class weights"):
        student(old, (probe, wide))
    monkeypatch.setattr(wide, "preprocess", dataclasses.replace(wide.preprocess, size=64))
    with pytest.raises(IncompatibleError, match="takes pictures of 64 pixels and the student mini-old of 32"):
        student(old, (fit(ZeroShot(), wide, toy_dataset()), wide))


def test_impossible_settings_are_refused(old, teacher):
    with pytest.raises(ConfigError, match="at least two images per batch"):
        PromptKD(recipe=Recipe(batch_size=1))
    for settings in ({"tau": 0.0}, {"weight": -1.0}):
        with pytest.raises(ConfigError, match="tau must be positive and weight 0 or more"):
            PromptKD(**settings)
    for setting in ("depth", "n_ctx"):
        with pytest.raises(ConfigError, match=f"{setting} must be at least 1"):
            PromptKD(**{setting: 0})
    single = toy_dataset(1, NAMES[:1])
    with pytest.raises(ConfigError, match="at least two images per batch"):
        fit(METHOD, old, single, teacher=teacher)


def test_a_method_that_names_its_teacher_tunes_it_on_the_same_pictures(old, monkeypatch):
    data, short = toy_dataset(), Recipe(epochs=1, batch_size=6, lr=0.05)
    taught = PromptSRC(recipe=short, templates="data")
    monkeypatch.setattr("clipcompat.plugins.fit.default_method", lambda *names: taught)
    wide = load_backbone("mini-large-old", "random:3", device="cpu", dtype="fp32")
    for classes, its in (("all", data), ("base", data.base_classes())):
        method = dataclasses.replace(METHOD, teacher="mini-large-old:random:3", teacher_classes=classes)
        plugin = fit(method, old, data, seed=2)
        by_hand = fit(taught, wide, its, seed=2)
        assert plugin.origin["teacher"]["stamp"] == by_hand.stamp
        assert plugin.stamp == fit(METHOD, old, data, seed=2, teacher=(by_hand, wide)).stamp
        assert fit_many(method, old, [data], seeds=[2])[0].origin["teacher"]["stamp"] == by_hand.stamp
    with pytest.raises(UnknownNameError, match="teacher_classes"):
        PromptKD(teacher_classes="new")


def test_students_on_two_backbones_learn_from_one_kept_teacher(tmp_path, old, new, monkeypatch):
    monkeypatch.setattr("clipcompat.plugins.fit.default_method", lambda *n: PromptSRC(recipe=SHORT, templates="data"))
    method = dataclasses.replace(METHOD, teacher="mini-large-old:random:3")
    kept, data = TunedPlugins(tmp_path, method), {1: toy_dataset()}
    plugins = [kept.tune(backbone, data)[1] for backbone in (old, new)]
    assert len(list(tmp_path.glob("promptsrc-*.safetensors"))) == 1
    for backbone, plugin in zip((old, new), plugins, strict=True):
        assert plugin.stamp == fit(method, backbone, data[1]).stamp


def test_all_trials_of_a_rate_share_one_teacher(old, monkeypatch):
    monkeypatch.setattr("clipcompat.plugins.fit.default_method", lambda *n: PromptSRC(recipe=SHORT, templates="data"))
    method = dataclasses.replace(METHOD, teacher="mini-large-old:random:3")
    monkeypatch.setattr(tune, "mini_method", lambda name: method)
    start = tune._start("promptkd", old, toy_dataset(), 2)
    assert fit(method, old, toy_dataset(), seed=2, **start).stamp == fit(method, old, toy_dataset(), seed=2).stamp


def test_on_the_miniature_the_teacher_is_the_large_one_and_new_classes_stay_unlabelled(tmp_path, old, new, monkeypatch):
    method = default_method("promptkd", "mini/tints")
    assert method.teacher == "mini-large-old" and PromptKD().teacher is None
    method = dataclasses.replace(METHOD, teacher="mini-large-old:random:3")
    monkeypatch.setattr("clipcompat.plugins.fit.default_method", lambda *n: PromptSRC(recipe=SHORT, templates="data"))

    def rows(method):
        kept = TunedPlugins(tmp_path, method)
        return list(measure(Experiment(Upgrade(old, new), {1: toy_dataset()}, kept, retrain=False)))

    (row,) = rows(dataclasses.replace(method, teacher_classes="base"))
    assert 0 <= row["old_base"] <= 100 and 0 <= row["carried_new"] <= 100
    with pytest.raises(ConfigError, match="must not read labels of new classes here: set teacher_classes=base"):
        rows(method)
