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
    jobs: Sequence[Job], task: Task, workers: Sequence[tuple[Any, ...]], begin: Callable[..., None] | None = None
) -> Iterator[Outcome]:
    """Run jobs in long-lived processes (spawned, so that each has its own CUDA context).

    Args:
        workers: one entry per process, the arguments of `begin`, which the process calls first: its device, say.

    Yields:
        The outcome of every job, in the order in which they end.
    """
    waiting, deaths = deque(jobs), Counter()
    free = [_Worker(begin, arguments) for arguments in workers[: len(jobs)]]
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

    def __init__(self, begin: Callable[..., None] | None, arguments: tuple[Any, ...]):
        self._begin, self._arguments = begin, arguments
        self._executor: ProcessPoolExecutor | None = None
        self._process: BaseProcess | None = None

    def submit(self, task: Task, job: Job) -> Future:
        if self._executor is None:
            before = set(multiprocessing.active_children())
            spawn = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(self._begin, self._arguments))
            with _ctrl_c_blocked():  # it reaches the driver, which ends the workers
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


def _begin(begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked
    threading.Thread(target=_end_with_driver, daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with_driver() -> None:
    """End this process when the driver has died; an executor's process would wait for work for ever."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
