"""`python -m clipcompat_book.miniature` as a user meets it."""

from __future__ import annotations

from dataclasses import replace

from clipcompat.backbones.load import load_backbone
from clipcompat_book.miniature.__main__ import main
from clipcompat_book.miniature.pretrain import RECIPES


def test_the_command_pretrains_and_names_what_it_wrote(monkeypatch, tmp_path, capsys):
    out = tmp_path / "old.safetensors"
    recipe = replace(RECIPES["mini-old"], batch=4, attribute_steps=1, eval_every=2)
    monkeypatch.setitem(RECIPES, "mini-old", recipe)
    command = ["pretrain", "--generation", "old", "--steps", "3", "--device", "cpu", "--out", str(out)]
    assert main([*command, "--seed", "2", "--keep", "2"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert load_backbone("mini-old", out).dim == 128 and out.with_stem("old-step2").exists()
    assert main(["pretrain", "--generation", "newest", "--out", str(out)]) == 1
    assert "mini-newer" in capsys.readouterr().err
