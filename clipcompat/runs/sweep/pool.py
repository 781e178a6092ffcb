"""The engine of one machine: worker processes of the standard library, each replaced when it dies.

Each worker is a `ProcessPoolExecutor` of one process, because a larger one does not tell which job killed its process
and gives up all that were running.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from clipcompat.runs.sweep.jobs import DEATHS, Job, Outcome, Task


def run_in_pool(
    jobs: Sequence[Job],
    task: Task,
    workers: Sequence[tuple[Any, ...]],
    begin: Callable[..., None] | None = None,
    threads: int | None = None,
) -> Iterator[Outcome]:
    """Run jobs in long-lived processes (spawned, so that each has its own CUDA context).

    Args:
        workers: one entry per process, the arguments of `begin`, which the process calls first: its device, say.
        threads: of each process, for linear algebra. OMP_NUM_THREADS, if it is set, stands: who shares a machine with
            other jobs has set it.

    Yields:
        The outcome of every job, in the order in which they end.
    """
    waiting, deaths = deque(jobs), Counter()
    free = [_Worker(begin, arguments, threads) for arguments in workers[: len(jobs)]]
    busy: dict[Future, tuple[_Worker, Job]] = {}
    try:
        while waiting or busy:
            while waiting and free:
                worker, job = free.pop(), waiting.popleft()
                busy[worker.submit(task, job)] = worker, job
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                worker, job = busy.pop(future)
                free.append(worker)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    how = worker.replace()
                    deaths[job.number] += 1
                    if deaths[job.number] < DEATHS:
                        waiting.appendleft(job)
                    else:
                        yield Outcome(job, error=f"its process died {DEATHS} times, last by {how}.")
    finally:
        for worker in [*free, *(w for w, _ in busy.values())]:
            worker.end()


class _Worker:
    """One process that lives until it is ended, or dies."""

    def __init__(self, begin: Callable[..., None] | None, arguments: tuple[Any, ...], threads: int | None):
        self._begin, self._arguments, self._threads = begin, arguments, threads
        self._executor: ProcessPoolExecutor | None = None
        self._process: BaseProcess | None = None

    def submit(self, task: Task, job: Job) -> Future:
        if self._executor is None:
            before = set(multiprocessing.active_children())
            spawn = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(self._begin, self._arguments))
            with _ctrl_c_blocked(), _thread_count(self._threads):  # Ctrl-C reaches the driver, which ends the workers
                future = self._executor.submit(task, job)  # starts the process
            (self._process,) = set(multiprocessing.active_children()) - before
            return future
        return self._executor.submit(task, job)

    def replace(self) -> str:
        """Forget the dead process; how it ended, in words."""
        process, self._process = self._process, None
        self._executor.shutdown()
        self._executor = None
        code = process.exitcode
        if code is not None and code < 0:
            return f"signal {-code} ({signal.Signals(-code).name})"
        return f"exit code {code}"

    def end(self) -> None:
        """End the process at once, whatever it is doing."""
        if self._process is not None:
            with contextlib.suppress(ValueError):  # it is closed already
                self._process.terminate()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Ctrl-C waits until the end of the block. A process that is made in it begins, and stays, without Ctrl-C."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextlib.contextmanager
def _thread_count(threads: int | None) -> Iterator[None]:
    """A process that is made in the block computes with so many threads, unless OMP_NUM_THREADS is set already.

    It is told by its environment, because the BLAS of numpy and scipy asks once, when it is loaded. Workers that each
    had a thread per core would wait for one another: linear probes took five times as long.
    """
    if threads is None or os.environ.get("OMP_NUM_THREADS"):
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


def _begin(begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked
    threading.Thread(target=_end_with_driver, daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with_driver() -> None:
    """End this process when the driver has died; an executor's process would wait for work for ever."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
