"""Runs per hour of `clipcompat sweep` with two workers, against `clipcompat run` in a loop over the same runs."""

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

from clipcompat.data.mini.datasets import study_names
from tests.trees import PROJECT, child_environment

METHODS = ("zero_shot", "linear_probe", "clip_adapter", "kgcoop", "coop", "contcoop")
DATASETS = study_names()
SEED, WORKERS = 1, 2

_SPEC = f"""
scales:
  mini: {{upgrades: [mini], datasets: [{", ".join(DATASETS)}]}}
runs:
  - {{methods: [{", ".join(METHODS)}], seeds: [{SEED}]}}
"""


def measure_sweeps(rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Loop and sweep in turns, each time from an empty store; both share features within the store."""
    took: dict[str, list[tuple[float, float]]] = {"loop": [], "sweep": []}
    for _ in range(rounds):
        for name, work in (("loop", _loop), ("sweep", _sweep)):
            with tempfile.TemporaryDirectory() as folder:
                took[name].append(_timed(work, Path(folder)))
            say(f"{name}: {took[name][-1][0]:.0f} s, of which processors worked {took[name][-1][1]:.0f} s")
    count = len(METHODS) * len(DATASETS)
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
        "what": f"seconds per run of one seed, {', '.join(METHODS)} on the {len(DATASETS)} mini datasets",
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


def _loop(folder: Path) -> None:
    for dataset in DATASETS:
        for method in METHODS:
            _call("run", "--method", method, "--dataset", dataset, "--seeds", SEED, "--out", folder)


def _sweep(folder: Path) -> None:
    (folder / "spec.yaml").write_text(_SPEC)
    _call("sweep", folder / "spec.yaml", "--workers", WORKERS, "--out", folder / "out")


def _call(*words: Any) -> None:
    environment = child_environment()
    del environment["OMP_NUM_THREADS"]  # as a user has it: the loop may use every core
    command = [sys.executable, "-m", "clipcompat", *map(str, words), "--device", "cpu"]
    subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, check=True)
