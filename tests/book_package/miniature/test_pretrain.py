"""Pretraining goes on where it was killed, as if it had not been; controls move one tower only."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import CheckpointError, ConfigError, UnknownNameError
from clipcompat_book.miniature.pretrain import RECIPES, pretrain


def _tiny(name: str, **changes):
    tiny = {"steps": 6, "batch": 4, "eval_every": 2, "save_seconds": 0.0, "attribute_steps": 3, "seed": 5}
    return replace(RECIPES[name], **tiny | changes)


class Killed(BaseException):
    """What a kill looks like from inside: nothing catches it, nothing cleans up."""


def _kill_at(last: int):
    def progress(step: int, steps: int, what: str) -> None:
        if step == last:
            raise Killed

    return progress


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return pretrain("mini-old", _tiny("mini-old"), tmp_path_factory.mktemp("old") / "old.safetensors")


def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(old, tmp_path):
    out = tmp_path / "again.safetensors"
    with pytest.raises(Killed):
        pretrain("mini-old", _tiny("mini-old"), out, progress=_kill_at(4))
    assert not out.exists() and out.with_suffix(".resume").exists()
    pretrain("mini-old", _tiny("mini-old"), out)
    expected, got = load_file(old), load_file(out)
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert out.read_bytes() == old.read_bytes(), "equal weights have equal hashes, however long they took"
    assert out.with_suffix(".jsonl").read_text().count("\n") == 4  # steps 0, 2, 4 and 6, none twice
    assert not out.with_suffix(".resume").exists()


def test_curves_say_what_was_seen(old):
    lines = [json.loads(line) for line in old.with_suffix(".jsonl").read_text().splitlines()]
    assert [line["pairs"] for line in lines] == [0, 8, 16, 24]
    assert {"loss", "shape", "colour", "texture", "backdrop"} <= set(lines[-1])


def test_the_new_generation_starts_from_the_old_text_tower(old, tmp_path):
    recipe = _tiny("mini-new", text_lr=1e-9)  # such a rate leaves the tower where it started
    new = pretrain("mini-new", recipe, tmp_path / "new.safetensors", old)
    expected, got = load_file(old), load_file(new)
    for key in ("token_embedding.weight", "transformer.resblocks.5.mlp.c_fc.weight", "text_projection"):
        assert torch.allclose(expected[key].float(), got[f"text.{key}"].float(), atol=1e-3)
    assert load_backbone("mini-new", new).name == "mini-new"


@pytest.mark.parametrize(("control", "moved"), [("mini-image-only", "image"), ("mini-text-only", "text")])
def test_a_control_moves_one_tower_and_leaves_the_other(old, tmp_path, control, moved):
    recipe = _tiny(control, attribute_steps=0, warm_up=1)
    made = load_file(pretrain(control, recipe, tmp_path / "control.safetensors", old))
    before = load_file(old)
    text = {key.removeprefix("text."): value for key, value in made.items() if not key.startswith("visual.")}
    same_text = all(torch.equal(before[key], value) for key, value in text.items() if not key.startswith("logit_"))
    assert same_text == (moved == "image")
    if moved == "text":
        assert all(torch.equal(before[key], made[key]) for key in before if key.startswith("visual."))


def test_unfinished_weights_are_kept_where_asked(old, tmp_path):
    out = tmp_path / "old.safetensors"
    pretrain("mini-old", _tiny("mini-old"), out, keep=[3, 6])
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == ["old-step3.safetensors", "old.safetensors"]
    assert load_backbone("mini-old", tmp_path / "old-step3.safetensors").stamp != load_backbone("mini-old", out).stamp


def test_another_recipe_does_not_go_on_with_a_foreign_checkpoint(tmp_path):
    out = tmp_path / "a.safetensors"
    with pytest.raises(Killed):
        pretrain("mini-old", _tiny("mini-old"), out, progress=_kill_at(4))
    with pytest.raises(CheckpointError, match="another recipe"):
        pretrain("mini-old", _tiny("mini-old", seed=6), out)


def test_what_cannot_be_meant_is_refused(old, tmp_path):
    with pytest.raises(ConfigError, match="safetensors"):
        pretrain("mini-old", _tiny("mini-old"), tmp_path / "weights.pt")
    with pytest.raises(ConfigError, match="other weights"):
        pretrain("mini-new", _tiny("mini-new"), tmp_path / "new.safetensors")
    with pytest.raises(ConfigError, match="no weights"):
        pretrain("mini-old", _tiny("mini-old"), tmp_path / "old.safetensors", old)
    recipe = replace(_tiny("mini-large-new"), steps=1)
    with pytest.raises(CheckpointError, match="of the same size"):
        pretrain("mini-large-new", recipe, tmp_path / "new.safetensors", old)
    with pytest.raises(CheckpointError, match="nothing.safetensors"):
        pretrain("mini-new", _tiny("mini-new"), tmp_path / "new.safetensors", tmp_path / "nothing.safetensors")
    with pytest.raises(UnknownNameError, match="mini-new"):
        pretrain("mini-knew", _tiny("mini-new"), tmp_path / "new.safetensors")
