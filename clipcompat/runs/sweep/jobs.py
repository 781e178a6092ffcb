"""What engines share: a job, its outcome, and the contract of an engine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    number: its place in the plan, from 0. request: the fields of a `Request`.
    """

    number: int
    request: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    result: what the task returned; None if it failed. error: a sentence, if it failed. seconds: of the task.
    """

    job: Job
    result: Any = None
    error: str | None = None
    seconds: float = 0.0


Task = Callable[[Job], Outcome]
"""A function that a worker process can import. It returns an outcome for every error that it can name."""

Engine = Callable[[Sequence[Job], Task], Iterator[Outcome]]
"""Runs every job and yields its outcome as soon as it is there, in any order.

Where an engine has several processes, a process that dies loses no other process's job: its own job runs again, and
after the third death the outcome names the signal. Closing the iterator (or Ctrl-C) ends all processes.
"""

DEATHS = 3
"""How many processes one job may kill before it counts as failed."""


def run_serially(jobs: Sequence[Job], task: Task) -> Iterator[Outcome]:
    """The engine without processes: one job after the other, in this process."""
    return map(task, jobs)
