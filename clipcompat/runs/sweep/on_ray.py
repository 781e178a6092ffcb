"""The engine beyond one machine: Ray, which starts tasks again after the death of a worker or a node.

Nodes need the package and, for public datasets, the same data folder; they need no common file system for results,
because each record comes back to the driver.
"""

import socket
from collections.abc import Iterator, Sequence
from typing import Any

from clipcompat.common.errors import ConfigError, MissingPackageError
from clipcompat.runs.sweep.jobs import DEATHS, Job, Outcome, Task


def run_on_ray(
    jobs: Sequence[Job], task: Task, *, address: str | None = None, gpus: float | None = None, cpus: float = 1
) -> Iterator[Outcome]:
    """Run jobs on a Ray cluster.

    Args:
        address: of a running cluster ("auto", "host:6379", "ray://host:10001"); None starts one on this machine, or
            takes the one that this process has connected to.
        gpus: per job; a fraction shares a GPU. None: 1 where the cluster has GPUs, else 0.
        cpus: cores per job.

    Yields:
        The outcome of every job, in the order in which they end.

    Raises:
        MissingPackageError: Ray is not installed. ConfigError: no cluster answers at the address.
    """
    ray = connect(address)
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    wanted = {"num_cpus": cpus, "num_gpus": (1 if has_gpus else 0) if gpus is None else gpus}
    remote = ray.remote(**wanted, max_retries=DEATHS - 1)(task_in_worker)
    running = {remote.remote(task, job, cpus): job for job in jobs}
    try:
        while running:
            (ready,), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(ready)
            try:
                yield ray.get(ready)
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as error:
                yield Outcome(job, error=f"its process died {DEATHS} times, last by {_words(error)}")
            except ray.exceptions.RayError as error:
                yield Outcome(job, error=_words(error))
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def connect(address: str | None) -> Any:
    """The module `ray`, connected to a cluster.

    Raises:
        MissingPackageError, ConfigError: as for `run_on_ray`.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError(
            f"the engine ray needs Ray, which cannot be imported here ({error}): pip install 'clipcompat[sweep]'."
        ) from error
    if not ray.is_initialized():
        try:
            _knock(address)
            own = {} if address else {"include_dashboard": False}  # a cluster that runs has decided
            ray.init(address=address, log_to_driver=False, **own)
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"no Ray cluster answers at {address} ({_words(error)}). Start one there with `ray start --head`, or "
                "leave the address out to use this machine alone."
            ) from error
    return ray


def _knock(address: str | None) -> None:
    """Find out whether anything listens at "host:port"; Ray would try for minutes.

    Raises:
        OSError: nothing does.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def task_in_worker(task: Task, job: Job, cpus: float) -> Outcome:
    """The task with its share of the node's cores."""
    import torch

    torch.set_num_threads(max(1, int(cpus)))
    return task(job)


def _words(error: BaseException) -> str:
    """The first sentences of one of Ray's long messages, in one line."""
    return " ".join(str(error).split())[:400]
