"""The verb that makes every record of a study, and says beforehand what it would do."""

from __future__ import annotations

import re

import pytest

from clipcompat.cli import main
from clipcompat.runs.records import find_records
from clipcompat.runs.sweep.estimate import estimate
from tests.runs.test_records import record
from tests.trees import write_eurosat

SPEC = """
title: two tiny runs
scales:
  mini: {upgrades: [mini], datasets: [eurosat]}
runs:
  - {methods: [zero_shot, linear_probe], shots: 1, seeds: [1], old_weights: "random:1", new_weights: "random:2"}
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "two.yaml").write_text(SPEC)
    root, out = str(write_eurosat(tmp_path / "data")), str(tmp_path / "out")
    return lambda *more: main(
        ["sweep", str(tmp_path / "two.yaml"), "--root", root, "--out", out, "--device", "cpu", *more]
    )


def test_a_dry_run_says_what_is_done_and_runs_nothing(call, tmp_path, capsys):
    assert call("--dry-run") == 0
    said = capsys.readouterr().out
    assert said.startswith("two tiny runs\nmini: 2 runs\nto do  mini  eurosat  zero_shot\nto do")
    assert re.search(r"0 done, 2 to do with \d+ at once: about 1 minutes", said) and not (tmp_path / "out").exists()


def test_a_sweep_leaves_one_record_a_run_and_a_dry_run_knows_them(call, tmp_path, capsys):
    assert call("--engine", "serial") == 0
    assert "2 records in" in capsys.readouterr().out
    assert [r.method for r in find_records(tmp_path / "out")] == ["linear_probe", "zero_shot"]
    assert call("--dry-run") == 0 and "2 done, 0 to do" in capsys.readouterr().out


def test_a_failed_run_is_told_and_the_exit_code_is_1(call, tmp_path, capsys):
    (tmp_path / "two.yaml").write_text(SPEC.replace("shots: 1", "shots: 40"))
    assert call("--engine", "serial") == 1
    said = capsys.readouterr()
    assert "40 shots were asked for" in said.err and "2 runs failed" in said.err and "Traceback" not in said.err
    assert len(list((tmp_path / "out" / "failed").glob("*.failure"))) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scale", "paper"], "unknown scale 'paper'"),
        (["--workers", "0"], "from 1 on"),
        (["--workers", "2", "--engine", "serial"], "for the pool"),
        (["--seeds", "1", "1"], "different numbers"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(call, capsys, arguments, says):
    assert call(*arguments) == 1
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error


def test_an_unknown_study_names_the_nearest(capsys):
    assert main(["sweep", "tabel2"]) == 1
    assert "Did you mean 'table2'" in capsys.readouterr().err


def test_an_estimate_takes_the_rates_of_the_records_at_hand_and_says_what_it_does_not_know():
    request = {"method": "coop", "dataset": "mini/tints", "upgrade": "mini", "seeds": (1, 2)}
    slow = record("coop", "mini/tints")
    slow.training_seconds.extend([{"train": 100.0, "retrain": None}] * 3)
    assert estimate([request], [slow], 1).seconds == 2 * 2 * 100 and estimate([request], [slow], 4).seconds == 100
    assert estimate([request], [], 1).seconds < 100  # the shipped rate
    unknown = estimate([{**request, "upgrade": "clip-to-eva-vit-b-16"}], [], 1)
    assert unknown.unknown == 1 and unknown.seconds == 0 and "nobody has timed" in str(unknown)
