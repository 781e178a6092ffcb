"""DPC over learners with visual prompts, as a user meets it: two towers, a file, an upgrade, a teacher, refusals."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, DataError, IncompatibleError, PluginError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.plugins.fit import fit, fit_many
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.plugin import load_plugin
from clipcompat.studies.base_to_new import base_to_new
from clipcompat.studies.base_to_new import measure as measure_halves
from clipcompat.studies.carried.mixture import FEWER, measure, mixtures
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task
from tests.reference import dpc as reference
from tests.toys import toy_dataset

SHORT = Recipe(epochs=2, batch_size=4, lr=0.05, warmup_epochs=0)
SRC = PromptSRC(recipe=SHORT, templates="data")
STUDENT = PromptKD(recipe=SHORT, teacher="mini-large-old:random:3", teacher_classes="base")
LEARNERS = {"maple": MaPLe(recipe=SHORT), "promptsrc": SRC, "promptkd": STUDENT}
NAMES = ("red fox", "owl", "snow leopard cub", "yak", "wren", "lynx")
EVERY = pytest.mark.parametrize("name", LEARNERS)


def dual(name, **settings) -> DPC:
    return DPC(recipe=SHORT, top_k=2, **{"learner": LEARNERS[name], "gradient": "plain"} | settings)


@pytest.fixture(scope="module")
def wide():
    return load_backbone("mini-large-old", "random:3", device="cpu", dtype="fp32")


@pytest.fixture(scope="module")
def plugins(mini_old, wide):
    """Name of a learner -> its dual prompt; the teacher of the student is as short."""
    made, data = {}, toy_dataset(classnames=NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clipcompat.plugins.fit.default_method", lambda *names: SRC)
        for name in LEARNERS:
            tuned = data if name == "promptkd" else data.base_classes()
            made[name] = fit(dual(name), mini_old, tuned, seed=2, views=1)
    return made


@EVERY
def test_it_keeps_stage_1_and_moves_every_tensor_of_the_parallel_prompt(plugins, name):
    plugin = plugins[name]
    parts = {key.partition(".")[0] for key in plugin.tensors}
    assert parts == {"stage1", "parallel"} and plugin.fault is None
    first = {key for key in plugin.tensors if key.startswith("stage1.")}
    shared = {key for key in first if key.replace("stage1", "parallel", 1) not in plugin.tensors}
    assert shared == ({"stage1.classes"} if name == "promptkd" else set())
    for key, tensor in plugin.tensors.items():
        if key.startswith("parallel."):
            assert not torch.equal(tensor, plugin.tensors[key.replace("parallel", "stage1", 1)]), key
    assert plugin.origin["classnames"] == list(NAMES[:3])


@EVERY
def test_new_names_are_classified_exactly_as_by_stage_1_and_base_names_are_not(plugins, mini_old, name):
    plugin, data = plugins[name], toy_dataset(classnames=NAMES)
    stage1 = {k.removeprefix("stage1."): t for k, t in plugin.tensors.items() if k.startswith("stage1.")}
    first = dataclasses.replace(plugin, method=plugin.method.learner, tensors=stage1)
    whole, alone = (its.logits(mini_old, data.test) for its in (plugin, first))
    torch.testing.assert_close(whole[:, 3:], alone[:, 3:], rtol=0, atol=1e-5)
    assert (whole[:, :3] - alone[:, :3]).abs().max() > 1e-3
    halves = base_to_new(plugin, mini_old, data)
    assert halves.new == base_to_new(first, mini_old, data).new


@EVERY
def test_a_saved_one_names_single_pictures_as_the_test_loop_does_on_both_backbones(
    plugins, mini_old, mini_new, name, tmp_path
):
    plugin, data = plugins[name], toy_dataset(classnames=NAMES)
    again = load_plugin(plugin.save(tmp_path / "dual.safetensors"))
    assert again.method == plugin.method and again.stamp == plugin.stamp
    for backbone, kind in ((mini_old, "exact"), (mini_new, "compatible")):
        assert again.match(backbone, NAMES).kind == kind
        expected = again.logits(backbone, data.test).softmax(-1)
        named = dict(again.predict(backbone, data.test.images[7], NAMES))
        torch.testing.assert_close(torch.tensor([named[n] for n in NAMES]), expected[7], rtol=1e-4, atol=1e-5)


def test_a_student_knows_the_classes_of_its_teacher_and_no_others(plugins, mini_old):
    plugin = plugins["promptkd"]
    assert plugin.origin["rows"] == list(NAMES) and tuple(plugin.tensors["stage1.classes"].shape) == (6, 160)
    assert "'grey wolf' is none of them" in plugin.match(mini_old, [NAMES[5], "grey wolf"]).why
    with pytest.raises(PluginError, match="promptkd has no class weights"):
        plugin.class_weights(mini_old, NAMES)


def test_a_learner_of_text_prompts_still_sees_a_picture_once(mini_old):
    plugin = fit(DPC(learner=CoOp(n_ctx=2, recipe=SHORT), recipe=SHORT), mini_old, toy_dataset(), views=1)
    assert plugin.method.image_towers(plugin.tensors, mini_old) == (mini_old,)


@EVERY
def test_both_ways_of_fitting_and_runs_side_by_side_end_alike(plugins, mini_old, name, monkeypatch):
    monkeypatch.setattr("clipcompat.plugins.fit.default_method", lambda *names: SRC)
    data = toy_dataset(classnames=NAMES)
    tuned = data if name == "promptkd" else data.base_classes()
    first = fit(LEARNERS[name], mini_old, tuned, seed=2, views=1)
    given = fit(dual(name), mini_old, tuned, seed=2, views=1, init=first)
    assert given.stamp == plugins[name].stamp
    several = fit_many(dual(name), mini_old, [tuned, tuned], seeds=[2, 3], views=1)
    for key, tensor in given.tensors.items():
        torch.testing.assert_close(several[0].tensors[key], tensor, rtol=0, atol=1e-4)


@EVERY
def test_the_study_of_weights_tries_fewer_of_them_and_finds_its_plugin_again(
    mini_old, mini_new, name, tmp_path, monkeypatch
):
    monkeypatch.setattr("clipcompat.plugins.fit.default_method", lambda *names: SRC)
    kept, data = TunedPlugins(tmp_path, dual(name), views=1), toy_dataset(classnames=NAMES)
    experiment = Experiment(Upgrade(mini_old, mini_new), {2: data}, kept)
    (row,) = measure(experiment)
    assert row["omegas"] == list(FEWER)
    tuned = data if name == "promptkd" else data.base_classes()
    monkeypatch.setattr("clipcompat.plugins.kept.fit_many", None)  # nothing is tuned again
    plugin = kept.tune(mini_old, {2: tuned})[2]
    assert row["carried_base"] == mixtures(plugin, mini_new, data)["base"]
    alone = dataclasses.replace(plugin, method=dual(name, omega_base=0.0))
    assert row["carried_base"][0] == base_to_new(alone, mini_new, data).base
    assert row["carried_joint"] == base_to_new(plugin, mini_new, data).joint
    (halved,) = measure_halves(dataclasses.replace(experiment, retrain=False))
    assert halved["carried_joint"] == row["carried_joint"]


@EVERY
def test_the_learners_own_loss_can_be_kept_or_taken_alone(mini_old, name, monkeypatch):
    monkeypatch.setattr("clipcompat.plugins.fit.default_method", lambda *names: SRC)
    data = toy_dataset(classnames=NAMES)
    stamps = {
        fit(dual(name, **settings), mini_old, data, seed=2, views=1).stamp
        for settings in ({}, {"keep_backbone_loss": True}, {"hard_negatives": False})
    }
    assert len(stamps) == 3


@EVERY
def test_negatives_may_come_from_all_training_pictures(mini_old, name, monkeypatch):
    monkeypatch.setattr("clipcompat.plugins.fit.default_method", lambda *names: SRC)
    data = toy_dataset(classnames=NAMES)
    few, same, other = (
        fit(dual(name, dhno_pool=source), mini_old, dataclasses.replace(data, pool=pool), seed=2, views=1)
        for source, pool in (("fewshot", data.test), ("full", data.train), ("full", data.test))
    )
    for key, tensor in few.tensors.items():
        torch.testing.assert_close(same.tensors[key], tensor, rtol=0, atol=1e-4)
    assert any((other.tensors[key] - tensor).abs().max() > 1e-3 for key, tensor in few.tensors.items())


def test_a_teacher_that_would_read_new_classes_or_is_another_one_is_refused(plugins, mini_old, wide, tmp_path):
    data = toy_dataset(classnames=NAMES)
    reads_all = dataclasses.replace(STUDENT, teacher_classes="all")
    kept = TunedPlugins(tmp_path, dataclasses.replace(dual("promptkd"), learner=reads_all))
    experiment = Experiment(Upgrade(mini_old, mini_old), {1: data}, kept)
    with pytest.raises(ConfigError, match="the teacher of promptkd must not read .* set learner.teacher_classes=base"):
        next(measure(experiment))
    teachers = [(fit(SRC, wide, data.base_classes(), seed=seed, views=1), wide) for seed in (1, 2)]
    student = dataclasses.replace(STUDENT, teacher=None)
    first = fit(student, mini_old, data, views=1, teacher=teachers[0])
    method = DPC(learner=student, recipe=SHORT)
    with pytest.raises(IncompatibleError, match="learned from another teacher than this one"):
        fit(method, mini_old, data, views=1, init=first, teacher=teachers[1])
    with pytest.raises(ConfigError, match="promptkd learns from a teacher"):
        fit(method, mini_old, data, views=1, init=first)
    narrow = fit(SRC, mini_old, data.base_classes(), views=1)
    with pytest.raises(IncompatibleError, match="the teacher does not fit its backbone: .* has 128 channels"):
        fit(method, mini_old, data, views=1, teacher=(narrow, wide))
    with pytest.raises(ConfigError, match="dpc has no teacher; drop teacher="):
        fit(dual("maple"), mini_old, data, views=1, teacher=teachers[0])


def test_released_ranks_negatives_by_the_teacher_with_an_untuned_context(mini_old, wide):
    data = toy_dataset(4, NAMES)
    teacher = fit(SRC, wide, data.base_classes(), views=1)
    student = dataclasses.replace(STUDENT, teacher=None)
    first = fit(student, mini_old, data, views=1, teacher=(teacher, wide))
    words = wide.text.embed(wide.tokenize(["a photo of a"]))[0, 1:5]
    untuned = dataclasses.replace(teacher, tensors={**teacher.tensors, "ctx": words})
    base = data.base_classes()
    pixels = torch.stack([mini_old.preprocess.test(image) for image in base.test.images])
    found = {}
    for preset in ("released", "described"):
        task = Task(mini_old, base, torch.Generator().manual_seed(1), init=first, teacher=(teacher, wide))
        method = dual("promptkd", preset=preset, learner=student)
        found[preset] = []
        for i in range(len(pixels)):
            joined = method.setup(task).join(pixels[i : i + 1], base.test.labels[i : i + 1])
            found[preset].append([int(base.train.labels[image]) for image in joined])
    scores = untuned.logits(wide, base.test)
    expected = [
        reference.hard_negatives(scores[i : i + 1], base.test.labels[i : i + 1], 2)[0] for i in range(len(pixels))
    ]
    assert [mine[: len(own)] for mine, own in zip(found["released"], expected, strict=True)] == expected
    assert found["described"] != found["released"]


def test_what_stage_2_cannot_start_from_is_refused(plugins, mini_old, mini_new):
    data, base = toy_dataset(classnames=NAMES), toy_dataset(classnames=NAMES).base_classes()
    first = fit(LEARNERS["maple"], mini_old, base, views=1)
    with pytest.raises(IncompatibleError, match="is of maple, and this DPC clones a promptsrc"):
        fit(dual("promptsrc"), mini_old, base, init=first, views=1)
    for backbone, other in ((mini_new, base), (mini_old, data)):
        with pytest.raises(IncompatibleError, match="stage 2 needs the same backbone and class list"):
            fit(dual("maple"), backbone, other, init=first, views=1)
    none_of_one = dataclasses.replace(base, train=dataclasses.replace(base.train, labels=base.train.labels % 2))
    with pytest.raises(DataError, match="has no training image of 1 of its 3 classes"):
        fit(dual("maple"), mini_old, none_of_one, views=1)


def test_a_tower_that_takes_no_visual_prompts_is_refused(mini_old, plugins, monkeypatch):
    monkeypatch.setattr(mini_old, "no_visual_prompts", "it is a ResNet")
    with pytest.raises(IncompatibleError, match="takes no visual prompts: it is a ResNet"):
        fit(dual("maple"), mini_old, toy_dataset(), views=1)
    assert "the image tower takes no visual prompts: it is a ResNet" in plugins["maple"].match(mini_old).why
