"""The loop and the sweep make the same runs."""

from __future__ import annotations

from benchmarks import sweeps
from clipcompat.runs.sweep.spec import load_spec


def test_loop_and_sweep_make_the_same_runs_and_a_row_says_how_many(monkeypatch):
    called = []

    def note(verb, *words):
        found = load_spec(words[0]).requests("mini") if verb == "sweep" else []
        called.append((verb, words, [(r["method"], r["dataset"], *r["seeds"]) for r in found]))

    monkeypatch.setattr(sweeps, "_call", note)
    row = sweeps.measure_sweeps(1, lambda sentence: None)
    looped = [(words[1], words[3], words[5]) for verb, words, _ in called if verb == "run"]
    (swept,) = [found for verb, _, found in called if verb == "sweep"]
    assert sorted(looped) == sorted(swept) and row["runs"] == len(looped) == len(sweeps.METHODS) * len(sweeps.DATASETS)
    assert row["reference_s"] > 0 and row["fast_s"] > 0 and row["ratio"] == row["reference_s"] / row["fast_s"]
