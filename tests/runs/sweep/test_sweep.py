"""A sweep over real tiny runs: nothing done twice, nothing lost to kills, failures noted, two sweeps at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from clipcompat.common.errors import StorageError, UnknownNameError
from clipcompat.runs.records import find_records
from clipcompat.runs.sweep.jobs import Job, run_serially
from clipcompat.runs.sweep.sweep import failure_file, failures, note_failure, perform, sweep, threads_each, workers
from tests.trees import PROJECT, child_environment, write_eurosat

TINY = {
    "dataset": "eurosat",
    "upgrade": "mini",
    "shots": 1,
    "views": 1,
    "device": "cpu",
    "dtype": "fp32",
    "old_weights": "random:1",
    "new_weights": "random:2",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    return str(write_eurosat(tmp_path_factory.mktemp("data")))


def requests(root: str, count: int = 3, **changes) -> list[dict]:
    """Tiny runs that differ in their number of epochs."""
    plain = {**TINY, "method": "coop", "root": root, "seeds": (1, 2), **changes}
    return [plain | {"settings": ("n_ctx=2", "recipe.batch_size=2", f"recipe.epochs={n + 1}")} for n in range(count)]


def numbers(out: Path) -> dict[str, list]:
    """id -> rows: what a store says, times aside."""
    return {
        r.id: [{k: v for k, v in row.items() if k != "final_loss"} for row in r.per_seed] for r in find_records(out)
    }


@pytest.fixture(scope="module")
def done(root, tmp_path_factory) -> Path:
    """The store of an undisturbed sweep of six runs."""
    out = tmp_path_factory.mktemp("done")
    assert all(o.error is None for o in sweep(requests(root, 6), out, run_serially))
    return out


def test_every_run_has_one_record_and_a_second_sweep_changes_none(done, root):
    before = {p: p.stat().st_mtime_ns for p in done.rglob("*.json")}
    again = list(sweep(requests(root, 6), done, run_serially))
    assert len(before) == 6 and {Path(o.result) for o in again} == before.keys()
    assert {p: p.stat().st_mtime_ns for p in done.rglob("*.json")} == before


def test_records_come_back_from_processes_that_do_not_see_the_store(done, root, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wanted, out = [*requests(root, 2), {**requests(root, 1)[0], "shots": 40}], tmp_path / "out"
    found = list(sweep(wanted, out, run_serially, away=True))
    assert {k: v for k, v in numbers(done).items() if k in numbers(out)} == numbers(out) and len(numbers(out)) == 2
    assert "40 shots" in found[0].error and len(failures(out)) == 1  # found out before anything was sent away
    asked = []
    list(sweep(wanted, out, lambda jobs, task: asked.extend(jobs) or [], away=True))
    assert not asked  # what is done is not sent again
    record = next(out.rglob("*.json"))
    record.write_text(record.read_text().replace('"views": 1', '"views": 2'))
    (told,) = [o.error for o in sweep(requests(root, 2), out, run_serially, away=True) if o.error]
    assert record.name in told and "was changed after it was written" in told


def test_a_failed_run_is_noted_with_its_error_and_the_rest_goes_on(root, tmp_path):
    sound = requests(root, 2)
    broken = {**sound[0], "shots": 40}
    found = list(sweep([sound[0], broken, sound[1]], tmp_path, run_serially))
    assert [o.error is None for o in found] == [True, False, True] and "40 shots" in found[1].error
    (note,) = failures(tmp_path)
    assert note["request"]["shots"] == 40 and "40 shots" in note["error"] and len(find_records(tmp_path)) == 2


def test_an_error_that_nobody_expected_is_an_outcome_with_its_traceback(root, tmp_path, monkeypatch):
    monkeypatch.setattr("clipcompat.runs.run.make_titles", lambda inputs: 1 / 0)
    (request,) = requests(root, 1)
    outcome = perform(Job(0, request), str(tmp_path), str(tmp_path / "cache"))
    assert "ZeroDivisionError" in outcome.error and "make_titles" in outcome.error


def test_a_disk_that_cannot_lock_is_one_sentence(root, tmp_path, monkeypatch):
    def refuse(self, *arguments, **options):
        raise NotImplementedError("no locks here")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    outcome = perform(Job(0, requests(root, 1)[0]), str(tmp_path), str(tmp_path / "cache"))
    assert outcome.error.startswith("cannot lock files in") and "Choose an --out" in outcome.error


def test_the_note_goes_when_the_run_succeeds(root, tmp_path):
    (request,) = requests(root, 1)
    (outcome,) = sweep([request], tmp_path, run_serially)
    note_failure(tmp_path, type(outcome)(outcome.job, error="the disk was full."))
    assert failure_file(tmp_path, request).exists()
    list(sweep([request], tmp_path, run_serially))
    assert not failures(tmp_path)


def test_a_request_that_cannot_be_meant_stops_the_sweep_before_anything_runs(root, tmp_path):
    with pytest.raises(UnknownNameError):
        list(sweep([*requests(root, 1), {**requests(root, 1)[0], "method": "cop"}], tmp_path, run_serially))
    assert not list(tmp_path.iterdir())


def test_a_store_that_cannot_be_written_is_one_sentence(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="results cannot be written"):
        list(sweep(requests(root, 1), tmp_path / "file", run_serially))


@pytest.mark.parametrize("count", [None, 1, 3])
def test_workers_share_the_cores(count):
    places = workers("cpu", count)
    assert len(places) == (count or len(os.sched_getaffinity(0)))
    assert set(places) == {("cpu",)}
    assert 1 <= threads_each(len(places)) <= max(1, len(os.sched_getaffinity(0)) // len(places))


SWEEP = """
import json, sys
from clipcompat.runs.sweep.pool import run_in_pool
from clipcompat.runs.sweep.sweep import begin_worker, sweep

if __name__ == "__main__":
    requests = [{**r, "seeds": tuple(r["seeds"]), "settings": tuple(r["settings"])} for r in json.loads(sys.argv[1])]
    engine = lambda jobs, task: run_in_pool(jobs, task, [("cpu",)] * 2, begin_worker, threads=1)
    for outcome in sweep(requests, sys.argv[2], engine):
        print(outcome.job.number, outcome.error, flush=True)
"""


def start(script: Path, wanted: list[dict], out: Path) -> subprocess.Popen:
    script.write_text(SWEEP)
    command = [sys.executable, str(script), json.dumps(wanted), str(out)]
    return subprocess.Popen(command, cwd=PROJECT, env=child_environment(), stdout=subprocess.PIPE, text=True)


def end(driver: subprocess.Popen) -> None:
    """Kill a driver and its workers, if they still run."""
    if driver.poll() is None:
        for process in psutil.Process(driver.pid).children(recursive=True):
            process.kill()
        driver.kill()
    driver.wait()
    driver.stdout.close()


def kill_a_worker(driver: subprocess.Popen, rng: random.Random) -> bool:
    """SIGKILL to one process that the driver has spawned for work; after a death there is none for a moment."""
    while driver.poll() is None:
        if spawned := [p for p in psutil.Process(driver.pid).children() if _works(p)]:
            rng.choice(spawned).send_signal(signal.SIGKILL)
            return True
        time.sleep(0.01)
    return False


def _works(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def test_killed_workers_and_a_killed_driver_lose_nothing(done, root, tmp_path):
    """After every outcome something is killed: twice a worker, then the driver; a second driver ends the sweep."""
    wanted, out, rng = requests(root, 6), tmp_path / "out", random.Random(1)
    driver = start(tmp_path / "drive.py", wanted, out)
    try:
        for _ in range(2):
            assert driver.stdout.readline()
            assert kill_a_worker(driver, rng)
        assert driver.stdout.readline()
        workers_of_it = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        assert not psutil.wait_procs(workers_of_it, timeout=120)[1]  # they end with their driver
    finally:
        end(driver)
    kept = {p: p.stat().st_mtime_ns for p in out.rglob("*.json")}
    assert 3 <= len(kept) <= 6
    driver = start(tmp_path / "drive.py", wanted, out)
    try:
        assert "None" in driver.stdout.read() and driver.wait() == 0
    finally:
        end(driver)
    assert numbers(out) == numbers(done) and not failures(out)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept  # finished runs were not repeated


def test_two_sweeps_on_one_store_do_no_harm_and_repeat_nothing(done, root, tmp_path):
    wanted, out = requests(root, 6), tmp_path / "out"
    drivers = [start(tmp_path / f"drive{n}.py", wanted, out) for n in range(2)]
    try:
        assert [driver.wait(300) for driver in drivers] == [0, 0]
    finally:
        for driver in drivers:
            end(driver)
    assert numbers(out) == numbers(done) and not failures(out)
