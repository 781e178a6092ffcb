"""One suite for every engine: each job ends once, deaths cost the dying job alone, errors stop nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys

import pytest

from clipcompat.common.errors import ConfigError, MissingPackageError
from clipcompat.runs.sweep.jobs import Job, run_serially
from clipcompat.runs.sweep.on_ray import run_on_ray
from clipcompat.runs.sweep.pool import run_in_pool
from tests.runs.sweep.tasks import begin, count_threads, note
from tests.trees import PROJECT

WORKERS = (("cpu:0",), ("cpu:1",))


def pool(jobs, task):
    return run_in_pool(jobs, task, WORKERS, begin)


def on_ray(jobs, task):
    """A Ray of this process, of two cores; the first test starts it, which takes half a minute."""
    pytest.importorskip("ray")
    os.environ["PYTHONPATH"] = os.pathsep.join((str(PROJECT), os.environ.get("PYTHONPATH", "")))
    return run_on_ray(jobs, task)


ENGINES = {"serial": run_serially, "pool": pool, "ray": on_ray}
WITH_PROCESSES = {name: engine for name, engine in ENGINES.items() if name != "serial"}


@pytest.fixture(scope="module", autouse=True)
def no_ray_is_left():
    """End the Ray that a test started."""
    yield
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


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


@pytest.mark.parametrize(("set_to", "threads"), [(None, 1), ("2", 2)])
def test_a_worker_has_its_share_of_the_cores_unless_omp_num_threads_says_how_many(monkeypatch, set_to, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if set_to:
        monkeypatch.setenv("OMP_NUM_THREADS", set_to)
    (outcome,) = run_in_pool([Job(0, {})], count_threads, [()], threads=1)
    assert outcome.result == (threads, str(threads)) and os.environ.get("OMP_NUM_THREADS") == set_to


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
    assert "died 3 times" in found[0].error and found[0].result is None
    assert "SIGSEGV" in found[0].error or engine is on_ray  # Ray does not tell the signal
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


def test_an_address_where_no_cluster_answers_is_one_sentence(tmp_path):
    pytest.importorskip("ray").shutdown()
    with pytest.raises(ConfigError, match="no Ray cluster answers at 127.0.0.1:1 .*`ray start --head`"):
        list(run_on_ray(jobs(tmp_path, 1), note, address="127.0.0.1:1"))


def test_without_ray_the_engine_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'clipcompat\[sweep\]'"):
        list(run_on_ray(jobs(tmp_path, 1), note))
