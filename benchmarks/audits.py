"""An audit of a thousand plug-ins in one pass, against one command per plug-in."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.data.load import load_dataset
from clipcompat.methods.defaults import mini_method
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from tests.trees import PROJECT, child_environment

COUNT, ALONE, FEW = 1000, 5, 100
DATASET, METHODS = "mini/textures", ("linear_probe", "tip_adapter", "clip_adapter", "coop")


def measure_audits(say: Callable[[str], None], count: int = COUNT, alone: int = ALONE) -> dict[str, Any]:
    """Seconds per plug-in, processes' starts included; neither side has a cache. Peak memory of few and of all."""
    with tempfile.TemporaryDirectory() as folder:
        files = [plugin.save(Path(folder) / f"{i:04}.safetensors") for i, plugin in enumerate(_plugins(count))]
        single, peaks = [], {}
        for file in files[:: max(1, count // alone)][:alone]:
            single.append(_timed([file], Path(folder))[0])
            say(f"one plug-in: {single[-1]:.1f} s")
        _, peaks[FEW] = _timed(files[:FEW], Path(folder))
        together, peaks[count] = _timed(files, Path(folder))
    say(f"{count} plug-ins: {together:.1f} s; peak memory {peaks[count] / 1e6:.0f} MB, {peaks[FEW] / 1e6:.0f} of {FEW}")
    row = {
        "name": "audit-1000",
        "reference_s": statistics.median(single),
        "fast_s": together / count,
        "ratio": statistics.median(single) * count / together,
        "max_abs_diff": None,
        "plugins": count,
        "peak_bytes": peaks[count],
        "peak_bytes_of_100": peaks[FEW],
        "reference": f"`clipcompat audit`, one command per plug-in ({len(single)} of them were timed)",
        "fast": "`clipcompat audit` of all in one command, its start included",
        "what": f"seconds per plug-in of {', '.join(METHODS)}, measured on the test pictures of {DATASET}",
        "spread": {"alone": [min(single), max(single)]},
    }
    say(f"{row['name']}: {row['reference_s']:.1f} s / {row['fast_s']:.3f} s per plug-in = {row['ratio']:.0f}")
    return row


def _plugins(count: int) -> Iterator[Plugin]:
    """One plug-in per method, and as many copies with other numbers as are asked for."""
    old, data = load_backbone("mini-old", device="cpu"), load_dataset(DATASET, shots=16, seed=1)
    tuned = [fit(mini_method(name), old, data, seed=1, progress=False) for name in METHODS]
    generator = torch.Generator().manual_seed(0)
    for i in range(count):
        plugin = tuned[i % len(tuned)]
        moved = {n: t + 1e-4 * torch.randn(t.shape, generator=generator) for n, t in plugin.tensors.items()}
        yield replace(plugin, tensors=moved)


def _timed(files: list[Path], folder: Path) -> tuple[float, int]:
    """Seconds, and the largest memory so far of a process that was waited for, in bytes."""
    start, out = time.perf_counter(), folder / "audit.json"
    _call("audit", *files, "--new", "mini-new", "--dataset", DATASET, "--json", out, "--force")
    seconds = time.perf_counter() - start
    if out.exists():
        assert len(json.loads(out.read_text())["plugins"]) == len(files)
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _call(*words: Any) -> None:
    command = [sys.executable, "-m", "clipcompat", *map(str, words), "--device", "cpu"]
    done = subprocess.run(command, cwd=PROJECT, env=child_environment(), stdout=subprocess.DEVNULL)
    assert done.returncode in (0, 3), f"the audit ended with {done.returncode}"  # 3: plug-ins need work
