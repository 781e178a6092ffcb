"""Tasks that worker processes can import: they note what they did in a folder, and some end their process."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from clipcompat.runs.sweep.jobs import Job, Outcome, Task

BEGUN: list[str] = []  # of this process


def begin(device: str) -> None:
    BEGUN.append(device)


def note(job: Job) -> Outcome:
    """Append a line to the job's file; kill the process the first `kills` times; wait for a file if told to."""
    folder = Path(job.request["folder"])
    file = folder / f"{job.number}.txt"
    with file.open("a") as stream:
        stream.write(f"{os.getpid()} {' '.join(BEGUN)}\n")
    if len(file.read_text().splitlines()) <= job.request.get("kills", 0):
        os.kill(os.getpid(), job.request.get("signal", signal.SIGKILL))
    while (gate := job.request.get("gate")) and not Path(gate).exists():
        time.sleep(0.01)
    if sentence := job.request.get("fails"):
        return Outcome(job, error=sentence)
    return Outcome(job, result=job.number**2)


def count_threads(job: Job) -> Outcome:
    """How many threads linear algebra has in this process, and what its environment says of them."""
    import torch

    return Outcome(job, result=(torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")))


def on_a_machine_of_its_own(job: Job, task: Task, folder: Path) -> Outcome:
    """The task, in a folder for temporary files that no other process has. Notes the attempt, and answers only when the
    file `gate` is there.
    """
    own = folder / f"machine-{os.getpid()}"
    own.mkdir(exist_ok=True)
    tempfile.tempdir = str(own)
    with (folder / f"{job.number}.txt").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    outcome = task(job)
    while not (folder / "gate").exists():
        time.sleep(0.01)
    return outcome
