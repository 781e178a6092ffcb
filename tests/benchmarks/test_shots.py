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
