"""Official checkpoints of DPC: P' of the file over P of stage 1, and base classes with the text prompts of the file."""

from __future__ import annotations

import dataclasses
import logging

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import CheckpointError, ConfigError, IncompatibleError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.methods.parts.prompts import PromptTable
from clipcompat.methods.visual.promptkd import project
from clipcompat.plugins.plugin import load_plugin
from tests.official import Bomb, buffers, checkpoint, context, maple, promptkd, promptsrc, towers, write_run
from tests.toys import NAMES, toy_split

ALL = (*NAMES, "barn owl", "grey seal")


@pytest.fixture(scope="module")
def wide():
    return load_backbone("mini-large-old", "random:3", device="cpu", dtype="fp32")


@pytest.fixture
def teacher(wide, official_import, tmp_path):
    """A tuned PromptSRC on the wider backbone, with all classes."""
    out = write_run(tmp_path / "teacher", promptsrc(wide)[0] | towers(wide), "VLPromptLearner")
    return official_import(out, "promptsrc", backbone=wide, classnames=ALL), wide


@pytest.fixture
def student(official_import, teacher, old, tmp_path):
    """Stage 1 over PromptKD: it knows all classes."""
    out = write_run(tmp_path / "student", promptkd(old, 160)[0], "VLPromptLearner", dtype=torch.float32)
    return official_import(out, "promptkd", classnames=ALL, teacher=teacher)


def stage_2(old, wide, shift=0.5):
    """The file of stage 2 over PromptKD, and the student and the text prompts that it holds."""
    theirs, ours = (
        {n: t + shift if t.is_floating_point() else t for n, t in part.items()} for part in promptkd(old, 160)
    )
    text, prompts = promptsrc(wide)
    text, prompts = ({n: t * 2 for n, t in part.items()} for part in (text, prompts))
    beside = {n: t for n, t in text.items() if n.startswith(("prompt_learner", "text_encoder"))}
    copies = {f"prompt_learner.{n}": t for n, t in beside.items() if n.startswith("text_encoder")}
    copies["clip_model.visual.VPT"] = theirs["image_encoder.VPT"]
    return theirs | beside | copies | towers(old), ours, prompts


def halves(rows, cut=2):
    """Class buffers as the released code keeps them, in two halves."""
    named = {"prefix": rows[:, :1], "suffix": rows[:, 5:]}
    parts = {"": slice(None, cut), "2": slice(cut, None)}
    return {f"prompt_learner.token_{n}{end}": t[part] for n, t in named.items() for end, part in parts.items()}


def test_over_coop_the_file_is_the_parallel_prompt_and_stage_1_the_other(old, official_import, tmp_path):
    first = official_import(write_run(tmp_path / "1", context(old)), "coop")
    out = write_run(tmp_path / "2", context(old, seed=5) | buffers(old, NAMES))
    plugin = official_import(out, "dpc", init=first)
    assert plugin.method == DPC(learner=first.method) and plugin.origin["class_buffers"] == "agree"
    assert torch.equal(plugin.tensors["stage1.ctx"], first.tensors["ctx"])
    assert torch.equal(plugin.tensors["parallel.ctx"], context(old, seed=5)["ctx"])
    assert plugin.origin["init"] == first.stamp and plugin.match(old).kind == "exact"
    released = official_import(out, DPC(learner=first.method, preset="released"), init=first)
    alone = dataclasses.replace(first, tensors=context(old, seed=5))
    assert torch.equal(released.class_weights(old, NAMES), alone.class_weights(old, NAMES))


def test_over_promptkd_both_halves_are_classified_as_upstream_classifies_them(
    old, wide, official_import, student, teacher, tmp_path
):
    state, ours, prompts = stage_2(old, wide)
    out = write_run(tmp_path / "2", state, "VLPromptLearner", dtype=torch.float32)
    plugin = official_import(out, "dpc", init=student, teacher=teacher)
    assert plugin.method == DPC(learner=student.method, preset="released") and plugin.fault is None
    for name, tensor in ours.items():
        assert torch.equal(plugin.tensors[f"parallel.{name}"], tensor), name
        assert torch.equal(plugin.tensors[f"stage1.{name}"], student.tensors[name]), name
    assert torch.equal(plugin.tensors["stage1.classes"], student.tensors["classes"])
    plugin = load_plugin(plugin.save(tmp_path / "dual.safetensors"))
    assert plugin.match(old, ALL).kind == "exact" and plugin.origin["teacher"]["stamp"] == teacher[0].stamp
    split = dataclasses.replace(toy_split("test", 2), classnames=ALL)
    found, text = plugin.logits(old, split), {"ctx": prompts["ctx"], "deep": prompts["deep"]}
    tuned = dataclasses.replace(teacher[0], tensors={**teacher[0].tensors, **text})
    for which, tensors, reader, names in (
        (slice(None, 3), ours, tuned, NAMES),
        (slice(3, None), student.tensors, teacher[0], ALL[3:]),
    ):
        (tower,) = student.method.image_towers(tensors, old)
        pixels = torch.stack([old.preprocess.test(image) for image in split.images])
        f = torch.nn.functional.normalize(project(tower.image_features(pixels), tensors), dim=-1)
        expected = old.logit_scale * f @ reader.class_weights(wide, list(names)).T
        torch.testing.assert_close(found[:, which], expected, rtol=1e-4, atol=1e-3)


def test_class_buffers_in_two_halves_are_compared_with_the_teacher_s_words(
    old, wide, official_import, student, teacher, tmp_path, caplog
):
    state, _, _ = stage_2(old, wide)
    for number, (names, said) in enumerate(((NAMES, "agree"), (NAMES[::-1], "differ"))):
        rows = PromptTable.of(wide, names, 4, words="a photo of a").embeddings
        torch.save(checkpoint(state | halves(rows), dtype=torch.float32), tmp_path / f"{number}")
        plugin = official_import(tmp_path / f"{number}", "dpc", init=student, teacher=teacher)
        assert plugin.origin["class_buffers"] == said
    (warned,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "are not what mini-large-old makes of these 3 class names" in warned


def test_a_student_with_class_buffers_is_compared_with_its_teacher_too(old, wide, official_import, teacher, tmp_path):
    rows = PromptTable.of(wide, NAMES, 4, words="a photo of a").embeddings
    torch.save(checkpoint(promptkd(old, 160)[0] | halves(rows), dtype=torch.float32), tmp_path / "m")
    assert official_import(tmp_path / "m", "promptkd", teacher=teacher).origin["class_buffers"] == "agree"


def test_what_cannot_be_imported_is_a_sentence(old, wide, official_import, student, teacher, tmp_path):
    state, _, _ = stage_2(old, wide)
    torch.save(checkpoint(state, dtype=torch.float32), tmp_path / "kd")
    torch.save(checkpoint(promptkd(old, 160)[0]), tmp_path / "bare")
    torch.save(checkpoint(context(old)), tmp_path / "coop")
    torch.save(checkpoint(maple(old)[0]), tmp_path / "maple")
    torch.save(checkpoint(state) | {"extra": Bomb(tmp_path / "canary")}, tmp_path / "bad")
    first, other = official_import(tmp_path / "coop", "coop"), official_import(tmp_path / "maple", "maple")
    over = {"init": student, "teacher": teacher}
    shallow = dataclasses.replace(
        teacher[0], tensors={n: t[:1] if n.startswith("deep") else t for n, t in teacher[0].tensors.items()}
    )
    released = DPC(learner=student.method, preset="described")
    for file, method, options, error, words in (
        ("coop", "dpc", {}, ConfigError, "needs init=, the plug-in of its stage 1"),
        ("coop", "coop", {"init": first}, ConfigError, "an import of coop has no init"),
        ("maple", "dpc", {"init": other}, ConfigError, "has no official checkpoints over maple"),
        ("kd", "dpc", {"init": student}, ConfigError, "dpc over promptkd needs teacher"),
        ("coop", "dpc", {"init": first, "teacher": teacher}, ConfigError, "dpc over coop has no teacher"),
        (
            "coop",
            "dpc",
            {"init": first, "classnames": NAMES[:2]},
            IncompatibleError,
            "3 classes; stage 2 needs the same",
        ),
        ("kd", "dpc", over | {"classnames": ("lynx",)}, IncompatibleError, "stage 2 needs the same"),
        ("kd", "dpc", {"init": student, "teacher": (shallow, wide)}, IncompatibleError, "holds text prompts"),
        ("kd", released, over, ConfigError, "preset='released'"),
        ("coop", DPC(learner=CoOp(n_ctx=8)), {"init": first}, ConfigError, "and its stage 1 tell learner="),
        ("bare", "dpc", over, CheckpointError, "lacks prompt_learner.ctx"),
        ("bad", "dpc", over, CheckpointError, "nothing of it was run"),
    ):
        with pytest.raises(error, match=words):
            official_import(tmp_path / file, method, **options)
    assert not (tmp_path / "canary").exists()
