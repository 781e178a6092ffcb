"""A Ray cluster of two nodes on this machine, of which one is killed in the middle of its work."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import psutil
import pytest

from clipcompat.runs.sweep.jobs import Job
from clipcompat.runs.sweep.on_ray import run_on_ray
from tests.runs.sweep.tasks import note
from tests.trees import PROJECT


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


def test_a_node_that_dies_costs_its_own_job_an_attempt(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    gate, over = tmp_path / "gate", threading.Event()
    jobs = [Job(n, {"folder": str(tmp_path), "gate": str(gate)}) for n in range(4)]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        other = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)  # the address is of a card, where tests may not knock

        def kill_a_node_at_work() -> None:
            while len(working := [pid for n in range(4) for pid in attempts(tmp_path, n)]) < 2 and not over.wait(0.05):
                pass
            cluster.remove_node(other, allow_graceful=False)
            while all(map(alive, working)) and not over.wait(0.05):
                pass  # a worker outlives its node by a moment, in which it could still answer
            gate.touch()

        killer = threading.Thread(target=kill_a_node_at_work)
        killer.start()
        found = {o.job.number: o for o in run_on_ray(jobs, note)}
        killer.join()
        assert {n: (o.result, o.error) for n, o in found.items()} == {n: (n * n, None) for n in range(4)}
        assert sorted(len(attempts(tmp_path, n)) for n in range(4)) == [1, 1, 1, 2]
    finally:
        over.set()
        ray.shutdown()
        cluster.shutdown()
        os.environ.pop("RAY_ADDRESS", None)
