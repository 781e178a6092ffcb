"""Sweeps that were killed at random lost nothing, and a new measurement says when and on what it was made."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
import torch

from benchmarks import kills
from clipcompat.common.version import __version__, code_hash
from tests.trees import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"


@pytest.mark.parametrize("engine", ["pool", "ray"])
def test_twenty_killed_workers_and_five_killed_drivers_lost_no_run_and_changed_no_number(engine):
    found = json.loads((RESULTS / f"kills-{engine}.json").read_text())
    assert found["engine"] == engine and found["runs"] >= 60
    assert found["killed"] == {"workers": 20, "drivers": 5}
    assert (found["lost"], found["different"], found["failed"]) == (0, 0, 0)


def test_a_measurement_is_stamped_with_its_date_code_and_versions():
    found = kills.stamp("pool")
    when = datetime.datetime.fromisoformat(found["measured"])
    assert abs(datetime.datetime.now(datetime.UTC) - when) < datetime.timedelta(hours=1)
    assert (found["code"], found["clipcompat"]) == (code_hash(), __version__)
    assert torch.__version__.startswith(found["torch"])
    assert found["device"].startswith("cpu (") and "ray" not in found


def test_a_measurement_on_ray_has_its_version():
    ray = pytest.importorskip("ray")
    assert kills.stamp("ray")["ray"] == ray.__version__


def undisturbed(monkeypatch, tmp_path: Path, change=lambda out: None, wanted: str = "0") -> tuple[int, dict]:
    """What the command writes and returns if the disturbed sweep is another calm one, which `change` may spoil."""

    def calm(wanted, out, *rest):
        for _ in kills.sweep(wanted, out, kills.run_serially):
            pass
        change(out)
        return {"workers": 0, "drivers": 0}

    (tmp_path / "results").mkdir()
    monkeypatch.setattr(kills, "disturb", calm)
    monkeypatch.setattr(kills, "__file__", str(tmp_path / "kills.py"))
    monkeypatch.setattr("sys.argv", ["kills", "--runs", "2", "--workers-killed", wanted, "--drivers-killed", "0"])
    code, written = kills.main(), tmp_path / "results" / "kills-pool.json"
    return code, json.loads(written.read_text()) if written.exists() else {}


def test_the_command_writes_the_stamp_beside_what_it_counted(monkeypatch, tmp_path):
    code, found = undisturbed(monkeypatch, tmp_path)
    assert code == 0 and (found["runs"], found["lost"], found["different"]) == (2, 0, 0)
    assert found["code"] == code_hash() and found["measured"]


def test_a_record_that_is_lost_is_counted_and_the_exit_code_is_1(monkeypatch, tmp_path):
    code, found = undisturbed(monkeypatch, tmp_path, lambda out: next(out.rglob("*.json")).unlink())
    assert code == 1 and found["lost"] == 1


def test_a_sweep_that_ends_before_all_kills_is_no_measurement(monkeypatch, tmp_path, capsys):
    assert undisturbed(monkeypatch, tmp_path, wanted="1") == (1, {})
    assert "give more --runs" in capsys.readouterr().err
