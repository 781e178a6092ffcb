"""A sweep: every run of a study that is not done yet, in some engine, over one folder of records.

The folder is the truth. A run is done if its record is there; a run that failed has a `.failure` file under
`failed/`, which goes when the run succeeds. So a sweep that was killed goes on where it stopped, and two sweeps may
work on one folder: a run that one of them has begun is passed over by the other, which looks again at the end.
"""

import functools
import json
import os
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from clipcompat.backbones.upgrade import Upgrade, load_upgrade
from clipcompat.common.config import from_config
from clipcompat.common.errors import ClipcompatError, StorageError
from clipcompat.common.files import check_writable, digest, shortened, to_json, write_atomic
from clipcompat.common.junk import is_junk
from clipcompat.common.terminal import set_up_logging
from clipcompat.runs.records import read_record, write_record
from clipcompat.runs.run import Run
from clipcompat.runs.sweep.jobs import Engine, Job, Outcome, Task
from clipcompat.runs.sweep.together import Kinds, kinds_together, plan_passes

BUSY = "another process is running it"
"""The error of a run that another sweep has begun."""


def sweep(
    requests: Sequence[Mapping[str, Any]],
    out: str | Path,
    engine: Engine,
    cache: str | Path | None = None,
    *,
    away: bool = False,
    passes: int = 2,
) -> Iterator[Outcome]:
    """Run what is not done yet; the outcome of every run, as soon as it ends.

    Args:
        requests: fields of a `Request` each. out: the folder of records. cache: of image features (default: OUT/cache).
        away: the engine's processes do not see `out`: they work in a folder of their machine, and records come back.
        passes: how often runs that another sweep had begun are looked at again; in the last one they are waited for.

    Raises:
        ConfigError, UnknownNameError: a request that cannot be meant; nothing was run then.
        StorageError: nothing can be written to `out`.
    """
    for request in requests:
        from_config(Run, request)  # all are checked before the first one starts
    check_writable(out)
    jobs = [Job(n, dict(request)) for n, request in enumerate(requests)]
    kinds = kinds_together(requests)
    if away:
        yield from _sweep_away(jobs, out, engine, functools.partial(perform_away, kinds=kinds))
        return
    for number in range(passes):
        last = number == passes - 1
        cached = str(cache or Path(out) / "cache")
        task = functools.partial(perform, out=str(out), cache=cached, wait=last, kinds=kinds)
        again = []
        for outcome in engine(jobs, task):
            if outcome.error == BUSY and not last:
                again.append(outcome.job)
                continue
            note_failure(out, outcome)
            yield outcome
        jobs = again


def _sweep_away(jobs: Sequence[Job], out: str | Path, engine: Engine, task: Task) -> Iterator[Outcome]:
    """The sweep of an engine whose processes do not see the folder of records; a task's result is a record."""
    todo = []
    for job in jobs:
        try:
            done = from_config(Run, job.request).record_file(out)
            if done.exists():
                read_record(done)  # one that is damaged is told, as by a run that finds it
        except ClipcompatError as error:
            outcome = Outcome(job, error=str(error))
        else:
            if not done.exists():
                todo.append(job)
                continue
            outcome = Outcome(job, result=str(done))
        note_failure(out, outcome)
        yield outcome
    for outcome in engine(todo, task):
        if outcome.error is None:
            outcome = replace(outcome, result=str(write_record(out, outcome.result)))
        note_failure(out, outcome)
        yield outcome


def perform_away(job: Job, kinds: Mapping[str, Kinds]) -> Outcome:
    """One run in a folder of this machine; its record is the outcome's result. What the folder keeps is found again."""
    folder = Path(tempfile.gettempdir()) / f"clipcompat-sweep-{os.getuid() if hasattr(os, 'getuid') else 0}"
    folder.mkdir(mode=0o700, exist_ok=True)
    outcome = perform(job, str(folder), str(folder / "cache"), kinds=kinds)
    return outcome if outcome.error else replace(outcome, result=read_record(outcome.result))


def perform(job: Job, out: str, cache: str, wait: bool = True, kinds: Mapping[str, Kinds] | None = None) -> Outcome:
    """One run in this process; every error that it raises is its outcome, in a sentence.

    wait: for another process that is running it; else the outcome's error is `BUSY`. kinds: see `kinds_together`.
    """
    clock = time.monotonic()
    lock = FileLock(Path(out) / "locks" / f"{_name(job.request)}.lock", fallback_to_soft=False)
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        return Outcome(job, error=BUSY)
    except (OSError, NotImplementedError) as error:
        return Outcome(job, error=f"cannot lock files in {out} ({error}). Choose an --out on a disk that can lock.")
    try:
        load = functools.partial(_planned_upgrade, (kinds or {}).get(job.request["dataset"], {}))
        _, path = from_config(Run, job.request).execute(out, cache, load=load)
        return Outcome(job, result=str(path), seconds=time.monotonic() - clock)
    except ClipcompatError as error:
        return Outcome(job, error=str(error), seconds=time.monotonic() - clock)
    except OSError as error:  # of a disk that fails, say
        what = f"{error.filename or 'a file'}: {error.strerror or error}. What was finished is kept; run it again."
        return Outcome(job, error=what, seconds=time.monotonic() - clock)
    except Exception:  # one run's fault, whatever it is, must not stop the others; its traceback is kept
        return Outcome(job, error=traceback.format_exc(limit=-8), seconds=time.monotonic() - clock)
    finally:
        lock.release()


def note_failure(out: str | Path, outcome: Outcome) -> None:
    """Write why a run failed beside the records; remove the note of an earlier attempt once it has succeeded."""
    path = failure_file(out, outcome.job.request)
    if outcome.error is None:
        path.unlink(missing_ok=True)
        return
    request = {name: list(v) if isinstance(v, tuple) else v for name, v in outcome.job.request.items()}
    write_atomic(path, to_json({"request": request, "error": outcome.error, "seconds": round(outcome.seconds, 1)}))


def failures(out: str | Path) -> list[dict[str, Any]]:
    """Request and error of every run that failed and has not succeeded since.

    Raises:
        StorageError: a note cannot be read.
    """
    found = []
    for path in sorted(p for p in (Path(out) / "failed").glob("*.failure") if not is_junk(p.name)):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise StorageError(f"{path} cannot be read ({error}); delete it, and run the sweep again.") from error
    return found


def failure_file(out: str | Path, request: Mapping[str, Any]) -> Path:
    return Path(out) / "failed" / f"{_name(request)}.failure"


def begin_worker(device: str | None) -> None:
    """What a worker process does first: logging, and its GPU."""
    set_up_logging(verbose=False)  # each warning once per process
    if device and device.startswith("cuda"):
        torch.cuda.set_device(device)


def workers(device: str | None = None, count: int | None = None) -> list[tuple[str | None]]:
    """Arguments of `begin_worker` for each worker of this machine: one per GPU, or one per core."""
    gpus = torch.cuda.device_count() if device in (None, "cuda") and torch.cuda.is_available() else 0
    if gpus:
        return [(f"cuda:{n % gpus}",) for n in range(count or gpus)]
    return [(device,)] * (count or _cores())


def threads_each(count: int) -> int:
    """The share of this machine's cores that each of so many workers has."""
    return max(1, _cores() // count)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _planned_upgrade(kinds: Kinds, *given: Any, **options: Any) -> Upgrade:
    upgrade = _kept_upgrade(*given, **options)
    plan_passes(upgrade, kinds)
    return upgrade


@functools.lru_cache(maxsize=2)
def _kept_upgrade(*given: Any, **options: Any):
    """`load_upgrade`, remembered by this process: its backbones keep the features that they have encoded."""
    return load_upgrade(*given, **options)


def _name(request: Mapping[str, Any]) -> str:
    """A file name for a request."""
    words = [request["method"], shortened(str(request["dataset"]).replace("/", "-"), 60)]
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in request.items()}
    return "-".join([*words, digest(plain)]).replace(":", "-").replace(os.sep, "-")
