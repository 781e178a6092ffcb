"""One suite for every engine: each job ends once, deaths cost the dying job alone, errors stop nothing."""

from __future__ import annotations

import multiprocessing
import signal

import pytest

from clipcompat.runs.sweep.jobs import Job, run_serially
from clipcompat.runs.sweep.pool import run_in_pool
from tests.runs.sweep.tasks import begin, note

WORKERS = (("cpu:0",), ("cpu:1",))


def pool(jobs, task):
    return run_in_pool(jobs, task, WORKERS, begin)


ENGINES = {"serial": run_serially, "pool": pool}
WITH_PROCESSES = {name: engine for name, engine in ENGINES.items() if name != "serial"}


def jobs(folder, count, **changes) -> list[Job]:
    """Jobs of `note`; changes: number -> fields of its request."""
    return [Job(n, {"folder": str(folder), **changes.get(f"_{n}", {})}) for n in range(count)]


def attempts(folder, number: int) -> list[str]:
    return (folder / f"{number}.txt").read_text().splitlines()


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_every_job_ends_once(engine, tmp_path):
    found = list(engine(jobs(tmp_path, 7), note))
    assert sorted((o.job.number, o.result, o.error) for o in found) == [(n, n * n, None) for n in range(7)]
    assert all(len(attempts(tmp_path, n)) == 1 for n in range(7))


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_no_jobs_are_no_outcomes(engine):
    assert list(engine([], note)) == []


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_failed_job_does_not_stop_the_rest(engine, tmp_path):
    found = {o.job.number: o for o in engine(jobs(tmp_path, 4, _1={"fails": "no such picture."}), note)}
    assert found[1].error == "no such picture." and found[1].result is None
    assert [found[n].result for n in (0, 2, 3)] == [0, 4, 9]


@pytest.mark.parametrize("engine", WITH_PROCESSES.values(), ids=WITH_PROCESSES)
def test_a_job_whose_process_was_killed_twice_runs_a_third_time_and_others_once(engine, tmp_path):
    found = {o.job.number: o for o in engine(jobs(tmp_path, 6, _2={"kills": 2}), note)}
    assert [found[n].result for n in range(6)] == [n * n for n in range(6)]
    assert [len(attempts(tmp_path, n)) for n in range(6)] == [1, 1, 3, 1, 1, 1]


@pytest.mark.parametrize("engine", WITH_PROCESSES.values(), ids=WITH_PROCESSES)
def test_a_job_that_kills_three_processes_has_failed_by_its_signal(engine, tmp_path):
    found = {o.job.number: o for o in engine(jobs(tmp_path, 3, _0={"kills": 9, "signal": signal.SIGSEGV}), note)}
    assert "3 times" in found[0].error and "SIGSEGV" in found[0].error and found[0].result is None
    assert [found[n].result for n in (1, 2)] == [1, 4] and len(attempts(tmp_path, 0)) == 3


def test_workers_live_long_and_each_has_its_device(tmp_path):
    list(pool(jobs(tmp_path, 8), note))
    workers = {line for n in range(8) for line in attempts(tmp_path, n)}
    assert {line.split()[1] for line in workers} <= {"cpu:0", "cpu:1"} and len(workers) <= 2


def test_ending_the_sweep_ends_its_processes(tmp_path):
    gate = {"gate": str(tmp_path / "never")}
    found = pool(jobs(tmp_path, 4, _1=gate, _2=gate, _3=gate), note)
    assert next(found).job.number == 0  # others are running, and would for ever
    found.close()
    assert not multiprocessing.active_children()
