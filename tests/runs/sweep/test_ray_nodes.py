"""A Ray cluster of two nodes on this machine, of which one is killed in the middle of its work: a store of real runs
that equals the one of an undisturbed sweep."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path

import psutil
import pytest

from clipcompat.runs.sweep.jobs import run_serially
from clipcompat.runs.sweep.on_ray import run_on_ray
from clipcompat.runs.sweep.sweep import failures, sweep
from tests.runs.sweep.tasks import on_a_machine_of_its_own
from tests.runs.sweep.test_sweep import numbers, requests
from tests.trees import PROJECT, write_eurosat

RUNS = 4


def attempts(folder: Path, number: int) -> list[int]:
    """The process of every attempt at a job."""
    file = folder / f"{number}.txt"
    return [int(line.split()[0]) for line in file.read_text().splitlines()] if file.exists() else []


def alive(pid: int) -> bool:
    """Whether a process still works; one that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_node_that_dies_costs_its_own_run_an_attempt_and_the_store_no_number(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    wanted = requests(str(write_eurosat(tmp_path / "data")), RUNS)
    assert all(outcome.error is None for outcome in sweep(wanted, tmp_path / "calm", run_serially))
    gate, over = tmp_path / "gate", threading.Event()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        other = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)  # the address is of a card, where tests may not knock

        def kill_a_node_at_work() -> None:
            while len(working := [pid for n in range(RUNS) for pid in attempts(tmp_path, n)]) < 2 and not over.wait(
                0.05
            ):
                pass
            cluster.remove_node(other, allow_graceful=False)
            while all(map(alive, working)) and not over.wait(0.05):
                pass  # a worker outlives its node by a moment, in which it could still answer
            gate.touch()

        def on_two_nodes(jobs, task):
            return run_on_ray(jobs, functools.partial(on_a_machine_of_its_own, task=task, folder=tmp_path))

        killer = threading.Thread(target=kill_a_node_at_work)
        killer.start()
        found = list(sweep(wanted, tmp_path / "out", on_two_nodes, away=True))
        killer.join()
        assert [outcome.error for outcome in found] == [None] * RUNS and not failures(tmp_path / "out")
        assert sorted(len(attempts(tmp_path, n)) for n in range(RUNS)) == [1, 1, 1, 2]
        assert len(numbers(tmp_path / "calm")) == RUNS
        assert numbers(tmp_path / "out") == numbers(tmp_path / "calm")
    finally:
        over.set()
        ray.shutdown()
        cluster.shutdown()
        os.environ.pop("RAY_ADDRESS", None)
