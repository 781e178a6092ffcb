"""Weights that one command made twice are told apart in the manifest."""

from __future__ import annotations

import json

import torch
from safetensors.torch import save_file

from clipcompat.common.files import hash_file
from clipcompat_book.miniature import register


def test_weights_made_again_are_marked_and_the_first_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(register, "MANIFEST", tmp_path / "manifest.json")
    monkeypatch.setattr(register, "weights", lambda: {})
    facts = {"name": "mini-text-only", "seed": 31, "steps": 9, "steps_taken": 9, "source": None, "world": "w"}
    for name, value, more in (("first", 0.0, {}), ("again", 1.0, {}), ("other", 2.0, {"seed": 32})):
        metadata = {"clipcompat": json.dumps(facts | more | {"seconds": value})}
        save_file({"x": torch.tensor([value])}, tmp_path / name, metadata)
    register.main([tmp_path / name for name in ("first", "again", "other")])
    known = json.loads((tmp_path / "manifest.json").read_text())
    marked = {name: known[hash_file(tmp_path / name)].get("again") for name in ("first", "again", "other")}
    assert marked == {"first": None, "again": True, "other": None}
