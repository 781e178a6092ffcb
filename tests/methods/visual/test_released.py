"""The released stage 2 over PromptKD as a user meets it: its start, its file, its test, and which teachers it takes."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.methods.visual.depth import deep_prompts
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.plugins.fit import fit, fit_many
from clipcompat.plugins.plugin import Plugin, load_plugin
from clipcompat.studies.base_to_new import base_to_new
from clipcompat.studies.carried.mixture import mixtures
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task
from tests.toys import toy_dataset

SHORT = Recipe(epochs=2, batch_size=4, lr=0.05, warmup_epochs=0)
STUDENT = PromptKD(recipe=SHORT)
NAMES = ("red fox", "owl", "snow leopard cub", "yak", "wren", "lynx")
SRC = PromptSRC(recipe=SHORT, templates="data")
DATA = toy_dataset(classnames=NAMES)
BASE = DATA.base_classes()


def dual(preset="released", **settings) -> DPC:
    return DPC(learner=STUDENT, recipe=SHORT, top_k=2, preset=preset, **settings)


@pytest.fixture(scope="module")
def wide():
    return load_backbone("mini-large-old", "random:3", device="cpu", dtype="fp32")


@pytest.fixture(scope="module")
def teacher(wide):
    return fit(SRC, wide, BASE, views=1), wide


@pytest.fixture(scope="module")
def first(mini_old, teacher):
    return fit(STUDENT, mini_old, DATA, views=1, teacher=teacher)


@pytest.fixture(scope="module")
def plugin(mini_old, teacher, first):
    return fit(dual(), mini_old, BASE, views=1, init=first, teacher=teacher)


def begun(method, backbone, first, teacher, seed=7):
    """The parameters at the start of stage 2, and the generator after it."""
    generator = torch.Generator().manual_seed(seed)
    learner = method.setup(Task(backbone, BASE, generator, init=first, teacher=teacher))
    return {name: p.detach().clone() for name, p in learner.parameters.items()}, generator


def test_the_deep_prompts_start_from_the_task_s_generator_and_all_else_is_tuned(mini_old, first, teacher):
    before = torch.get_rng_state()
    start, _ = begun(dual(), mini_old, first, teacher)
    assert torch.equal(torch.get_rng_state(), before)
    _, generator = begun(dual("described"), mini_old, first, teacher)
    for name, tuned in (("text.deep", teacher[0].tensors["deep"]), ("deep_visual", first.tensors["deep_visual"])):
        assert torch.equal(start[name], deep_prompts(*tuned.shape, generator)), name
        assert float(start[name].std()) == pytest.approx(0.02, rel=0.2) and not torch.equal(start[name], tuned)
    assert torch.equal(start["text.ctx"], teacher[0].tensors["ctx"])
    for name in start.keys() - {"text.ctx", "text.deep", "deep_visual"}:
        assert torch.equal(start[name], first.tensors[name]), name
    again, other = (begun(dual(), mini_old, first, teacher, seed)[0] for seed in (7, 8))
    assert torch.equal(again["text.deep"], start["text.deep"]) and not torch.equal(
        other["text.deep"], start["text.deep"]
    )


def test_described_starts_from_what_stage_1_tuned_and_trains_no_text(mini_old, first, teacher):
    start, _ = begun(dual("described"), mini_old, first, teacher)
    assert "deep_visual" in start and not any(name.startswith("text.") for name in start)
    for name, tensor in start.items():
        assert torch.equal(tensor, first.tensors[name]), name


def test_stage_2_leaves_the_plugins_of_stage_1_and_of_the_teacher_as_they_are(mini_old, first, teacher, plugin):
    stamps = first.stamp, teacher[0].stamp
    assert fit(dual(), mini_old, BASE, views=1, init=first, teacher=teacher).stamp == plugin.stamp
    assert (first.stamp, teacher[0].stamp) == stamps
    for name, tensor in first.tensors.items():
        assert torch.equal(plugin.tensors[f"stage1.{name}"], tensor)


def test_both_prompts_have_class_vectors_of_all_classes_in_a_saved_file(mini_old, mini_new, plugin, tmp_path):
    again = load_plugin(plugin.save(tmp_path / "dual.safetensors"))
    assert again.method == plugin.method and again.stamp == plugin.stamp and again.origin["rows"] == list(NAMES)
    own, teacher_s = (again.tensors[f"{which}.classes"] for which in ("parallel", "stage1"))
    assert own.shape == teacher_s.shape == (6, 160) and (own - teacher_s).abs().amax(1).min() > 1e-3
    torch.testing.assert_close(own.norm(dim=-1), torch.ones(6))
    for backbone, kind in ((mini_old, "exact"), (mini_new, "compatible")):
        assert again.match(backbone, NAMES).kind == kind
        expected = again.logits(backbone, DATA.test).softmax(-1)
        named = dict(again.predict(backbone, DATA.test.images[7], NAMES[::-1]))
        torch.testing.assert_close(torch.tensor([named[n] for n in NAMES]), expected[7], rtol=1e-4, atol=1e-5)
    without = {name: t for name, t in plugin.tensors.items() if name != "parallel.classes"}
    assert "parallel.classes" in dataclasses.replace(plugin, tensors=without).fault


def test_new_names_are_classified_as_by_stage_1_and_base_names_by_the_parallel_prompt_alone(mini_old, first, plugin):
    whole, alone = (its.logits(mini_old, DATA.test) for its in (plugin, first))
    torch.testing.assert_close(whole[:, 3:], alone[:, 3:], rtol=0, atol=1e-5)
    tensors = {n.removeprefix("parallel."): t for n, t in plugin.tensors.items() if n.startswith("parallel.")}
    parallel = dataclasses.replace(first, tensors=tensors)
    torch.testing.assert_close(whole[:, :3], parallel.logits(mini_old, DATA.test)[:, :3], rtol=0, atol=1e-5)


def test_the_study_of_weights_goes_from_stage_1_to_the_parallel_prompt(mini_old, first, plugin):
    found = mixtures(plugin, mini_old, DATA, [0.0, 1.0])
    assert found["base"][0] == base_to_new(first, mini_old, DATA).base
    assert found["base"][1] == base_to_new(plugin, mini_old, DATA).base
    assert found["new"][0] == base_to_new(first, mini_old, DATA).new


def test_runs_side_by_side_with_teachers_of_other_weights_end_as_each_alone(mini_old, teacher, first, plugin):
    other = load_backbone("mini-large-old", "random:4", device="cpu", dtype="fp32")
    teachers = [teacher, (fit(SRC, other, BASE, views=1), other)]
    inits = [first, fit(STUDENT, mini_old, DATA, views=1, teacher=teachers[1])]
    several = fit_many(dual(), mini_old, [BASE] * 2, seeds=[1, 1], views=1, inits=inits, teachers=teachers)
    alone = [plugin, fit(dual(), mini_old, BASE, views=1, init=inits[1], teacher=teachers[1])]
    for one, its in zip(several, alone, strict=True):
        for name, tensor in its.tensors.items():
            torch.testing.assert_close(one.tensors[name], tensor, rtol=0, atol=1e-4, msg=name)


def test_a_memory_budget_is_that_of_the_teacher_s_text_tower_too(mini_old, first, teacher):
    small = mini_old.with_memory_budget(1 << 20)
    task = Task(small, BASE, torch.Generator().manual_seed(1), init=first, teacher=teacher)
    tower = dual().setup(task).tower
    assert tower.width == 160 and tower.memory_budget == 1 << 20 and teacher[1].text.memory_budget is None


def test_a_teacher_may_have_no_deep_prompts_or_be_a_maple_but_not_a_coop(mini_old, wide):
    for method in (dataclasses.replace(SRC, depth=1), MaPLe(recipe=SHORT), CoOp(n_ctx=2, recipe=SHORT)):
        teacher = fit(method, wide, BASE, views=1), wide
        first = fit(STUDENT, mini_old, DATA, views=1, teacher=teacher)
        if isinstance(method, CoOp):
            with pytest.raises(IncompatibleError, match="coop is not of its kind. Give a teacher of promptsrc"):
                fit(dual(), mini_old, BASE, views=1, init=first, teacher=teacher)
            continue
        start, _ = begun(dual(), mini_old, first, teacher)
        assert ("text.deep" in start) == ("deep" in teacher[0].tensors)
        made: Plugin = fit(dual(keep_backbone_loss=True), mini_old, BASE, views=1, init=first, teacher=teacher)
        assert made.fault is None


def test_the_student_s_own_loss_alone_would_train_no_text_and_is_refused():
    with pytest.raises(ConfigError, match="trains texts, which the learner's own loss alone does not reach"):
        dual(hard_negatives=False)
    assert not dual("described", hard_negatives=False).hard_negatives
