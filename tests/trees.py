"""JPEG folders in the community's layout, made on the spot, and the command line run in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PROJECT = Path(__file__).resolve().parents[1]
HANGING = 600
"""Seconds after which a child process must have hung, on however busy a machine."""

CLASSES = ("Forest", "River", "Highway_or_Road", "Sea_or_Lake")


def write_eurosat(root: Path, classes: int = 3, train: int = 5, val: int = 2, test: int = 4) -> Path:
    """A data root with a little `eurosat/`: noise with a colour cast that tells the classes apart."""
    folder, parts, number = root / "eurosat", {"train": [], "val": [], "test": []}, 0
    for label, name in enumerate(CLASSES[:classes]):
        for part, count in (("train", train), ("val", val), ("test", test)):
            for _ in range(count):
                number += 1
                path = f"{name}/{name}_{number}.jpg"
                (folder / "2750" / name).mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng(number).integers(0, 120, (48, 48, 3))
                pixels[..., label % 3] += 130 - 60 * (label // 3)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / "2750" / path, "JPEG")
                parts[part].append([path, label, name])
    (folder / "split_zhou_EuroSAT.json").write_text(json.dumps(parts))
    return root


def pictures(root: Path) -> list[Path]:
    """The training pictures that a draw of all shots uses, in the order of the split file."""
    split = json.loads((root / "eurosat" / "split_zhou_EuroSAT.json").read_text())
    return [root / "eurosat" / "2750" / path for path, _, _ in split["train"]]


def python(code: str, *arguments: str, timeout: float = HANGING, **options) -> subprocess.CompletedProcess:
    """Run some lines of Python where this project is importable, one thread, offline."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=PROJECT,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        **options,
    )


def child_environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT), "HF_HUB_OFFLINE": "1"}
