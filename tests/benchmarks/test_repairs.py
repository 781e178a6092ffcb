"""Both sides begin without features, and the methods are those of the study."""

from __future__ import annotations

import pytest

from benchmarks import repairs
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.runs.sweep.spec import load_spec
from tests.toys import toy_dataset


def test_the_methods_are_those_of_the_study():
    asked = {(r["method"], frozenset(r.get("settings", ()))) for r in load_spec("repair").requests("mini")}
    timed = [(m, frozenset(f"{k}={v}".lower() for k, v in settings.items())) for m, settings in repairs.METHODS]
    assert set(timed) == asked and len(timed) == len(asked)


def test_neither_side_finds_features_that_were_kept_and_a_row_has_their_ratio(old, new, monkeypatch):
    upgrade, held = Upgrade(old, new), []
    monkeypatch.setattr(repairs, "_data", lambda: toy_dataset(18))
    monkeypatch.setattr(repairs, "SHOTS", 18)
    monkeypatch.setattr(repairs, "mini_method", lambda name: LinearProbe(c=1.0))

    def clock(run):
        held.append((len(old.memory), len(new.memory)))
        run()
        return 1.0 + len(held)  # 2, 3, 4, 5: repaired, trained, repaired, trained

    monkeypatch.setattr(repairs, "processor_seconds", clock)
    row = repairs.measure_repair("linear_probe", {}, upgrade, lambda sentence: None, repeats=2)
    assert held == [(0, 0)] * 4 and len(new.memory) > 0
    assert row["seconds"] == {"repair": 3.0, "retrain": 4.0} and row["ratio"] == pytest.approx(0.75)
    assert row["spread"] == {"repair": [2.0, 4.0], "retrain": [3.0, 5.0]}
