"""Runs per hour of `clipcompat sweep` with two workers, against `clipcompat run` in a loop over the same runs.

The runs are those of the shipped study `STUDY` with one seed, on all eleven mini datasets. CoCoOp is left out: it takes
as long as all other methods together.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from clipcompat.runs.sweep.spec import load_spec
from tests.trees import PROJECT, child_environment

STUDY, LEFT_OUT = "table2", "cocoop"
SEED, WORKERS = 1, 2


def measure_sweeps(rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Loop and sweep in turns, each time from an empty store; both share features within the store."""
    took: dict[str, list[tuple[float, float]]] = {"loop": [], "sweep": []}
    for _ in range(rounds):
        for name, work in (("loop", _loop), ("sweep", _sweep)):
            with tempfile.TemporaryDirectory() as folder:
                took[name].append(_timed(work, Path(folder)))
            say(f"{name}: {took[name][-1][0]:.0f} s, of which processors worked {took[name][-1][1]:.0f} s")
    count = len(requests())
    (loop, loop_cpu), (swept, swept_cpu) = (
        [statistics.median(numbers) / count for numbers in zip(*took[name], strict=True)] for name in took
    )
    row = {
        "name": "sweep-mini",
        "reference_s": loop,
        "fast_s": swept,
        "ratio": loop / swept,
        "max_abs_diff": None,
        "reference_cpu_s": loop_cpu,
        "fast_cpu_s": swept_cpu,
        "runs": count,
        "rounds": rounds,
        "reference": "`clipcompat run`, one process after the other",
        "fast": f"`clipcompat sweep` with {WORKERS} workers, its start included",
        "what": f"seconds per run of the study {STUDY} without {LEFT_OUT}, one seed, on all eleven mini datasets",
        "spread": {name: [min(seconds), max(seconds)] for name, seconds in _seconds(took).items()},
    }
    say(f"{row['name']}: {loop:.1f} s / {swept:.1f} s per run = {row['ratio']:.2f}")
    return row


def _seconds(took: dict[str, list[tuple[float, float]]]) -> dict[str, list[float]]:
    return {name: [seconds for seconds, _ in pairs] for name, pairs in took.items()}


def _timed(work: Callable[[Path], None], folder: Path) -> tuple[float, float]:
    """Seconds, and seconds of processors."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work(folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, processors


def requests() -> list[dict[str, Any]]:
    """The fields of each run."""
    found = load_spec(STUDY).requests("mini")
    return [r | {"seeds": (SEED,)} for r in found if r["method"] != LEFT_OUT]


def _loop(folder: Path) -> None:
    for request in requests():
        words = ["--method", request["method"], "--dataset", request["dataset"], "--upgrade", request["upgrade"]]
        given = ["--set", *request["settings"]] if request["settings"] else []
        _call("run", *words, "--seeds", SEED, *given, "--out", folder)


def _sweep(folder: Path) -> None:
    blocks = [_block(request) for request in requests()]
    (folder / "spec.yaml").write_text(yaml.safe_dump({"scales": {"mini": {}}, "runs": blocks}))
    _call("sweep", folder / "spec.yaml", "--workers", WORKERS, "--out", folder / "out")


def _block(request: dict[str, Any]) -> dict[str, Any]:
    """One run as a block of a study."""
    one = {f"{key}s": [request[key]] for key in ("method", "dataset", "upgrade")}
    return one | {"settings": [list(request["settings"])], "seeds": list(request["seeds"])}


def _call(*words: Any) -> None:
    environment = child_environment()
    del environment["OMP_NUM_THREADS"]  # as a user has it: the loop may use every core
    command = [sys.executable, "-m", "clipcompat", *map(str, words), "--device", "cpu"]
    subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, check=True)
