"""Both sides audit plug-ins that are there, and the row says how many."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import audits
from clipcompat.plugins.plugin import load_plugin


def test_one_command_has_all_files_and_the_others_one_each(monkeypatch):
    given = []

    def note(verb, *words):
        files = [word for word in words if Path(str(word)).suffix == ".safetensors"]
        given.append([load_plugin(file).stamp for file in files])

    monkeypatch.setattr(audits, "_call", note)
    monkeypatch.setattr(audits, "METHODS", ("linear_probe", "tip_adapter"))
    row = audits.measure_audits(lambda sentence: None, count=4, alone=2)
    assert [len(stamps) for stamps in given] == [1, 1, 4, 4]
    assert len(set(given[-1])) == 4 and row["plugins"] == 4
    assert row["ratio"] == pytest.approx(row["reference_s"] / row["fast_s"]) and row["reference_s"] > 0
