"""The verb that lists feature caches and finds damage that no run has looked at yet."""

from __future__ import annotations

import pytest
import torch

from clipcompat.cli import main
from clipcompat.features.store import FeatureFile


@pytest.fixture
def folder(tmp_path):
    """A cache that reading checks in part, and one of four rows."""
    FeatureFile(tmp_path, "large", 8, "a").append(torch.randn(140_000, 8))
    FeatureFile(tmp_path, "small", 16, "b").append(torch.randn(4, 16))
    return tmp_path


@pytest.mark.parametrize(("flags", "state"), [([], "whole"), (["--verify"], "sound")])
def test_every_cache_is_a_line(folder, capsys, flags, state):
    assert main(["cache", str(folder), *flags]) == 0
    large, small = f"large  140,000 rows of 8  0.00 GiB  {state}", f"small  4 rows of 16  0.00 GiB  {state}"
    assert capsys.readouterr().out.splitlines() == [large, small]


def test_what_desktops_leave_in_a_cache_is_no_cache(folder, capsys):
    (folder / "._small.head").write_bytes(b"\0\5\x16\7")
    assert main(["cache", str(folder)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["large", "small"]


def test_damage_in_an_early_block_is_found_when_asked_for(folder, capsys, monkeypatch):
    monkeypatch.setattr("clipcompat.features.store._CHECKED", 1)  # the last block only: a narrow file is no gibibyte
    path = folder / "large.bin"
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    assert main(["cache", str(folder)]) == 0
    capsys.readouterr()
    assert main(["cache", str(folder), "--verify"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == ["large  damaged", "small  4 rows of 16  0.00 GiB  sound"]
    assert "large.bin is corrupt" in said.err and "delete large.bin and large.head" in said.err


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"width": 0}', '{"format": "clipcompat-features-1"}'])
def test_a_damaged_header_is_named(folder, capsys, content):
    (folder / "small.head").write_text(content)
    assert main(["cache", str(folder)]) == 1
    said = capsys.readouterr()
    assert "large  140,000" in said.out and "small  damaged" in said.out and "small.head" in said.err


def test_no_cache_is_a_sentence(tmp_path, capsys):
    assert main(["cache", str(tmp_path)]) == 1
    assert "there is no feature cache" in capsys.readouterr().err
