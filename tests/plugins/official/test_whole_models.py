"""Official checkpoints of a whole model: the learned tensors come back, frozen towers and their copies do not."""

from __future__ import annotations

import logging

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import CheckpointError, ConfigError, IncompatibleError
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from tests.official import Bomb, buffers, checkpoint, maple, promptkd, promptsrc, refused, towers, write_run
from tests.toys import NAMES, toy_dataset, toy_split

FOLDERS = {"maple": "MultiModalPromptLearner", "promptsrc": "VLPromptLearner", "promptkd": "VLPromptLearner"}
MADE = {"maple": maple, "promptsrc": promptsrc}
EXPECTED = {"maple": MaPLe(depth=3), "promptsrc": PromptSRC(depth=3)}
BOTH = pytest.mark.parametrize("name", MADE)


@pytest.fixture(scope="module")
def teacher():
    wide = load_backbone("mini-large-old", "random:3", device="cpu", dtype="fp32")
    return fit(ZeroShot(), wide, toy_dataset()), wide


def class_buffers(backbone, tokens, names=NAMES):
    """Upstream keeps the words behind the learned tokens in the suffix."""
    from clipcompat.methods.parts.prompts import PromptTable

    rows = PromptTable.of(backbone, names, tokens, words="a photo of a").embeddings
    return {"prompt_learner.token_prefix": rows[:, :1], "prompt_learner.token_suffix": rows[:, 1 + tokens :]}


@BOTH
@pytest.mark.parametrize("prefix", ["", "module."])
def test_what_was_learned_comes_back_to_the_last_bit_and_nothing_else(old, official_import, tmp_path, name, prefix):
    theirs, ours = MADE[name](old)
    beside = towers(old) | class_buffers(old, len(ours["ctx"]))
    plugin = official_import(write_run(tmp_path, theirs | beside, FOLDERS[name], prefix=prefix), name)
    assert plugin.method == EXPECTED[name] and plugin.tensors.keys() == ours.keys()
    assert all(torch.equal(plugin.tensors[key], tensor) for key, tensor in ours.items())
    assert plugin.origin["class_buffers"] == "agree" and plugin.match(old).kind == "exact"
    again = load_plugin(plugin.save(tmp_path / "p.safetensors"))
    split = toy_split("test", 2)
    assert torch.equal(again.logits(old, split), plugin.logits(old, split))


def test_a_student_comes_back_with_its_teacher_s_class_vectors(old, official_import, teacher, tmp_path):
    theirs, ours = promptkd(old, 160)
    out = write_run(tmp_path, theirs | towers(old), FOLDERS["promptkd"], dtype=torch.float32)
    plugin = official_import(out, "promptkd", teacher=teacher)
    assert plugin.method == PromptKD(depth=3) and plugin.tensors.keys() == {*ours, "classes"}
    assert all(torch.equal(plugin.tensors[key], tensor) for key, tensor in ours.items())
    assert torch.equal(plugin.tensors["classes"], teacher[0].class_weights(teacher[1], NAMES))
    again = load_plugin(plugin.save(tmp_path / "p.safetensors"))
    assert again.origin["teacher"]["stamp"] == teacher[0].stamp and again.match(old).kind == "exact"
    for method, given, words in (
        ("promptkd", None, "promptkd needs teacher"),
        ("maple", teacher, "maple has no teacher"),
    ):
        with pytest.raises(ConfigError, match=words):
            official_import(out, method, teacher=given)


def test_class_buffers_of_other_words_or_names_are_told(old, official_import, tmp_path, caplog):
    theirs, _ = maple(old)
    for number, beside in enumerate((class_buffers(old, 2, NAMES[::-1]), _named(buffers(old, NAMES, 2)))):
        torch.save(checkpoint(theirs | beside), tmp_path / f"{number}")
        assert official_import(tmp_path / f"{number}", "maple").origin["class_buffers"] == "differ"
        (said,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert "class buffers beside the context are not what mini-old makes" in said
        caplog.clear()


def _named(buffers):
    return {f"prompt_learner.{name}": t for name, t in buffers.items()}


def test_settings_follow_the_shapes(old, official_import, tmp_path):
    cases = [
        ("maple", {k: t for k, t in maple(old)[0].items() if "compound" not in k}, MaPLe(depth=1)),
        ("maple", maple(old, tokens=3, deep=1)[0], MaPLe(n_ctx=3, depth=2)),
        ("maple", maple(old, tokens=6)[0], MaPLe(n_ctx=6, depth=3, ctx_init=None)),
        ("promptsrc", promptsrc(old, tokens=2, deep=1)[0], PromptSRC(n_ctx=2, depth=2)),
    ]
    for number, (name, state, expected) in enumerate(cases):
        torch.save(checkpoint(state), tmp_path / f"{number}")
        assert official_import(tmp_path / f"{number}", name).method == expected
    with pytest.raises(ConfigError, match="depth=2"):
        official_import(tmp_path / "1", MaPLe(n_ctx=3, depth=9))


@BOTH
def test_a_missing_block_or_an_odd_one_is_refused(old, official_import, tmp_path, name):
    theirs, _ = MADE[name](old, deep=3)
    second = [key for key in theirs if key.endswith((".1.VPT_shallow", "compound_prompts_text.0"))][0]
    for number, change in enumerate(({second: None}, {second: torch.zeros(1, 128)})):
        state = {key: t for key, t in (theirs | change).items() if t is not None}
        torch.save(checkpoint(state), tmp_path / f"{number}")
        with pytest.raises(CheckpointError) as caught:
            official_import(tmp_path / f"{number}", name)
        refused(caught, "deep", "one shape, and every block from")


@pytest.mark.parametrize(
    ("written", "asked", "words"),
    [
        ("maple", "promptsrc", ["lacks image_encoder.VPT", "It looks like one of maple."]),
        ("promptsrc", "maple", ["lacks prompt_learner.proj.weight", "It looks like one of promptsrc."]),
        ("maple", "coop", ["lacks ctx", "It looks like one of maple."]),
    ],
)
def test_a_checkpoint_of_another_method_is_refused_and_named(old, official_import, tmp_path, written, asked, words):
    torch.save(checkpoint(MADE[written](old)[0] | towers(old)), tmp_path / "m")
    with pytest.raises(CheckpointError) as caught:
        official_import(tmp_path / "m", asked)
    refused(caught, f"is no checkpoint of {asked}", *words)


@BOTH
def test_a_backbone_of_another_width_and_an_unsafe_file_are_refused(old, official_import, tmp_path, name, teacher):
    torch.save(checkpoint(MADE[name](old)[0]), tmp_path / "m")
    with pytest.raises(IncompatibleError) as caught:
        official_import(tmp_path / "m", name, backbone=teacher[1])
    refused(caught, "128", "160", "mini-large-old")
    canary = tmp_path / "canary"
    torch.save(checkpoint(MADE[name](old)[0]) | {"extra": Bomb(canary)}, tmp_path / "bad")
    with pytest.raises(CheckpointError, match="nothing of it was run"):
        official_import(tmp_path / "bad", name)
    assert not canary.exists()
