"""The loop and the sweep make the same runs."""

from __future__ import annotations

from benchmarks import sweeps
from clipcompat.runs.sweep.spec import load_spec


def test_loop_and_sweep_make_the_same_runs_of_the_shipped_study_and_a_row_says_how_many(monkeypatch):
    called = []

    def note(verb, *words):
        found = load_spec(words[0]).requests("mini") if verb == "sweep" else []
        given = [words[words.index("--set") + 1]] if "--set" in words else []
        called.append((verb, (words[1], words[3], words[7], given) if verb == "run" else found))

    monkeypatch.setattr(sweeps, "_call", note)
    row = sweeps.measure_sweeps(1, lambda sentence: None)
    looped = [found for verb, found in called if verb == "run"]
    (swept,) = [found for verb, found in called if verb == "sweep"]
    assert sorted(looped) == sorted((r["method"], r["dataset"], *r["seeds"], [*r["settings"]]) for r in swept)
    assert row["runs"] == len(looped)
    assert row["reference_s"] > 0 and row["fast_s"] > 0 and row["ratio"] == row["reference_s"] / row["fast_s"]


def test_every_method_of_the_study_but_the_one_left_out_is_measured():
    shipped = {(r["method"], r["settings"]) for r in load_spec(sweeps.STUDY).requests("mini")}
    measured = {(r["method"], r["settings"]) for r in sweeps.requests()}
    assert shipped - measured == {(sweeps.LEFT_OUT, ())}
