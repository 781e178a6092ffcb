"""The verb that makes every record of a study, and says beforehand what it would do."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from clipcompat.cli import main
from clipcompat.runs.records import checksum, find_records
from tests.children import running
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


def test_a_dry_run_without_the_data_prints_the_plan_and_says_what_is_not_here(tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["sweep", "lambda", "--scale", "paper", "--dry-run", "--device", "cpu", "--out", out]) == 0
    said = capsys.readouterr().out
    assert said.count("to do  clip-to-eva-vit-b-16  ucf101  contcoop") == 6
    assert "\ndata not here: ucf101. " in said and "pass root= (on the command line: --root)" in said
    assert re.search(
        r"0 done, 6 to do with \d+ at once: about \d+\.\d GPU hours for 6 runs, estimated from FLOPs", said
    )
    assert not (tmp_path / "out").exists()


def test_without_dry_run_missing_data_stays_the_error_that_it_is(tmp_path, capsys):
    words = ["lambda", "--scale", "paper", "--root", str(tmp_path / "no"), "--engine", "serial", "--device", "cpu"]
    assert main(["sweep", *words, "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.count(f"the root {tmp_path / 'no'} is no folder") == 1, "once, and not once per run"
    assert not (tmp_path / "out").exists()


def test_runs_whose_data_is_not_here_are_left_out_and_told_once_and_the_others_run(call, tmp_path, capsys):
    (tmp_path / "two.yaml").write_text(SPEC.replace("[eurosat]", "[eurosat, dtd, food101]"))
    assert call("--engine", "serial") == 1, "the study is not complete"
    said = capsys.readouterr()
    assert said.err.count("4 of 6 runs are left out, their data is not here: dtd, food101. dtd is expected in") == 1
    assert "2 records in" in said.out and not (tmp_path / "out" / "failed").exists()
    assert {r.inputs["dataset"] for r in find_records(tmp_path / "out")} == {"eurosat"}


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


def changed(content: dict) -> dict:
    return content | {"per_seed": [row | {"old": 99.0} for row in content["per_seed"]]}


def newer(content: dict) -> dict:
    content = content | {"format": "clipcompat-record-9"}
    return content | {"checksum": checksum(content)}


@pytest.mark.parametrize("change, says", [(changed, "was changed after it was written"), (newer, "update clipcompat")])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_record_that_was_edited_or_is_of_a_newer_version_is_told_and_kept(call, tmp_path, capsys, change, says, dry):
    assert call("--engine", "serial") == 0
    probe, other = sorted((tmp_path / "out").rglob("*.json"))
    probe.write_text(json.dumps(change(json.loads(probe.read_text()))))
    before, kept = probe.read_bytes(), other.read_bytes()
    assert call("--engine", "serial", *dry) == 1
    said = capsys.readouterr().err
    assert says in said and probe.name in said and "Traceback" not in said
    assert (probe.read_bytes(), other.read_bytes()) == (before, kept)


def test_a_store_that_is_read_only_is_one_sentence(call, tmp_path, capsys, monkeypatch):
    def refuse(**options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert call("--engine", "serial") == 1
    assert "results cannot be written to" in (said := capsys.readouterr().err) and "Read-only file system" in said
    assert not list((tmp_path / "out").rglob("*.*"))


@pytest.mark.parametrize("text", ["", "runs: [", "title: a\nscales: {mini: {}}\nruns: []", "\0"])
def test_a_study_that_is_empty_or_malformed_is_one_sentence(call, tmp_path, capsys, text):
    (tmp_path / "two.yaml").write_text(text)
    assert call() == 1 and not (tmp_path / "out").exists()
    said = capsys.readouterr().err
    assert said.startswith("clipcompat: two.yaml") and said.count("\n") == 1


def test_a_ray_address_where_nobody_answers_is_one_sentence_and_nothing_was_begun(call, tmp_path, capsys):
    pytest.importorskip("ray").shutdown()
    assert call("--engine", "ray", "--address", "127.0.0.1:1") == 1
    said = capsys.readouterr().err
    assert "no Ray cluster answers at 127.0.0.1:1" in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(call, tmp_path, capsys, monkeypatch):
    def interrupted(jobs, task):
        yield task(jobs[0])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("clipcompat.runs.sweep.jobs.run_serially", interrupted)
        assert call("--engine", "serial") == 130
    said = capsys.readouterr().err
    assert f"1 of 2 runs are finished and kept in {tmp_path / 'out'}" in said and "the same command goes on" in said
    (kept,) = find_records(tmp_path / "out")
    assert call("--engine", "serial") == 0 and kept in find_records(tmp_path / "out")


def is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it ended meanwhile
        return False


def test_ctrl_c_while_workers_start_shows_no_traceback_and_leaves_no_process(call, tmp_path):
    """A terminal sends it to every process of the group. `call` has written study and pictures."""
    root = str(tmp_path / "data")
    words = ["sweep", str(tmp_path / "two.yaml"), "--root", root, "--out", str(tmp_path / "out"), "--device", "cpu"]
    command = [sys.executable, "-m", "clipcompat", *words, "--workers", "2"]
    with running(command, stderr=subprocess.PIPE, start_new_session=True) as sweep:
        workers = []
        while len(workers) < 2 and sweep.poll() is None:
            threading.Event().wait(0.05)
            workers = [child for child in psutil.Process(sweep.pid).children() if is_worker(child)]
        os.killpg(sweep.pid, signal.SIGINT)
        _, said = sweep.communicate()
        assert sweep.returncode == 130 and "Traceback" not in said, said
        assert "0 of 2 runs are finished and kept in" in said
        assert not psutil.wait_procs(workers, timeout=60)[1]


def test_an_unknown_study_names_the_nearest(capsys):
    assert main(["sweep", "tabel2"]) == 1
    assert "Did you mean 'table2'" in capsys.readouterr().err
