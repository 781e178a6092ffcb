"""A training by number of shots is measured in parts that add up, on the pictures it says."""

from __future__ import annotations

import sys

import pytest

from benchmarks.shots import TRAINED, measure_shots


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of a process is read from /proc")
def test_both_methods_find_the_views_of_one_pass_over_the_pictures(mini_old):
    mini_old.memory.clear()
    rows = measure_shots(2, mini_old, ("owl", "red fox"))
    assert [row["method"] for row in rows] == list(TRAINED)
    assert len(mini_old.memory) == 1, "fit encoded pictures again"
    for row in rows:
        assert (row["shots"], row["views"], row["steps"]) == (2, 10, 100)
        assert row["views_bytes"] == 10 * 2 * 2 * mini_old.dim * 4
        assert row["steps_bytes"] >= 0 and row["pictures_s"] > 0 and row["steps_s"] > 0
    assert rows[0]["pictures_s"] == rows[1]["pictures_s"] and rows[0]["flops"] < rows[1]["flops"]


def test_memory_given_back_meanwhile_makes_no_negative_bytes(mini_old, monkeypatch):
    """The process held 100 bytes, then 60: a training that needs 20 more is one of 20 bytes."""
    mini_old.memory.clear()
    held, peaks = iter([100, 60, 110]), iter([130, 80, 115])
    monkeypatch.setattr("benchmarks.shots.forget_peak", lambda device: next(held))
    monkeypatch.setattr("benchmarks.shots.peak_bytes", lambda device: next(peaks))
    rows = measure_shots(1, mini_old, ("owl", "red fox"))
    assert [row["pictures_bytes"] for row in rows] == [30, 30]
    assert [row["steps_bytes"] for row in rows] == [20, 55]
