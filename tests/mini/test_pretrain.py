"""Pretraining goes on where it was killed, as if it had not been."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from clipcompat.backbones.load import load_backbone
from clipcompat.errors import CheckpointError, ConfigError
from clipcompat.mini.pretrain import Recipe, pretrain

TINY = {"steps": 6, "batch": 4, "eval_every": 2, "save_seconds": 0.0, "attribute_share": 0.5}


class Killed(BaseException):
    """What a kill looks like from inside: nothing catches it, nothing cleans up."""


def _kill_at(step: int):
    def progress(line: dict) -> None:
        if line["step"] == step:
            raise Killed

    return progress


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return pretrain(Recipe("old", seed=5, **TINY), tmp_path_factory.mktemp("old") / "old.safetensors")


def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(old, tmp_path):
    out = tmp_path / "again.safetensors"
    with pytest.raises(Killed):
        pretrain(Recipe("old", seed=5, **TINY), out, progress=_kill_at(4))
    assert not out.exists() and out.with_suffix(".resume").exists()
    pretrain(Recipe("old", seed=5, **TINY), out)
    expected, got = load_file(old), load_file(out)
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert out.with_suffix(".jsonl").read_text().count("\n") == 4  # steps 0, 2, 4 and 6, none twice
    assert not out.with_suffix(".resume").exists()


def test_curves_say_what_was_seen(old):
    lines = [json.loads(line) for line in old.with_suffix(".jsonl").read_text().splitlines()]
    assert [line["pairs"] for line in lines] == [0, 8, 16, 24]
    assert {"loss", "shape", "colour", "texture", "backdrop"} <= set(lines[-1])


def test_the_new_generation_starts_from_the_old_text_tower(old, tmp_path):
    # six steps of a learning rate that has hardly begun to rise leave the tower where it started
    new = pretrain(Recipe("new", seed=6, **TINY, text_lr=1e-9), tmp_path / "new.safetensors", text_from=old)
    expected, got = load_file(old), load_file(new)
    for key in ("token_embedding.weight", "transformer.resblocks.5.mlp.c_fc.weight", "text_projection"):
        assert torch.allclose(expected[key].float(), got[f"text.{key}"].float(), atol=1e-3)
    assert load_backbone("mini-new", new).name == "mini-new"


def test_another_recipe_does_not_go_on_with_a_foreign_checkpoint(tmp_path):
    out = tmp_path / "a.safetensors"
    with pytest.raises(Killed):
        pretrain(Recipe("old", seed=5, **TINY), out, progress=_kill_at(4))
    with pytest.raises(CheckpointError, match="another recipe"):
        pretrain(Recipe("old", seed=6, **TINY), out)


def test_only_safetensors_are_written(tmp_path):
    with pytest.raises(ConfigError, match="safetensors"):
        pretrain(Recipe("old", **TINY), tmp_path / "weights.pt")
