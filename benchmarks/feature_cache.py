"""The feature cache at the size of a large dataset: memory, speed, and what a kill costs.

    python -m benchmarks.feature_cache --images 100000      # 3 to 8 minutes on two cores

JPEGs of the miniature world (32 pixels) go through the mini image tower. Each measurement runs in its own process:
`loader`: a plain torch DataLoader loop that keeps features in a list. `cache`: `encode_split` with a cache folder. Both
also run three times, in turns, over a tenth of the pictures; their medians show whether memory grows. `again`: all
features are cached. `killed`: a run is killed (SIGKILL) at a random moment. `resumed`: it is started again. `proof`:
its files equal those of the run that was not killed.

All decode, transform and encode alike, in blocks of 64, with one worker per core. Peaks are of anonymous memory,
because the system may drop mapped features at any time. tenths_mib: memory after each tenth of the pictures. cpu_ms:
processor time per picture, of all processes; other programs change it less than seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from clipcompat.backbones.device import fit_threads
from clipcompat.backbones.load import load_backbone
from clipcompat.common.files import to_json, write_atomic
from clipcompat.data.pictures.decoding import BLOCK, workers
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.split import Split
from clipcompat.features.encode import encode_split

RESULT = Path(__file__).parent / "results" / "feature_cache.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="of the moment of the kill")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--child", nargs=2, metavar=("PICTURES", "CACHE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_child(*map(Path, options.child), options.images)), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = _measure(Path(folder), options.images, options.seed)
    about = {"device": _processor(), "cores": workers(), "torch": torch.__version__, "load": os.getloadavg()[0]}
    print(write_atomic(options.out, to_json({**about, "rows": rows})))


def _measure(folder: Path, images: int, seed: int) -> list[dict[str, Any]]:
    rows = []

    def row(name: str, **numbers: Any) -> None:
        rows.append({"name": name, **numbers})
        print(to_json(rows[-1], indent=None), flush=True)

    pictures, cache, killed = folder / "pictures", folder / "cache", folder / "killed"
    clock = time.monotonic()
    _write_pictures(pictures, images)
    row("pictures", images=images, seconds=round(time.monotonic() - clock, 1))
    rounds = [(_run(pictures, None, images // 10), _run(pictures, folder / f"{i}", images // 10)) for i in range(3)]
    for name, found in zip(("loader-tenth", "cache-tenth"), zip(*rounds, strict=True), strict=True):
        numbers = {key: statistics.median(one[key] for one in found) for key in found[0] if key != "tenths_mib"}
        row(name, **numbers, rounds=[one["images_per_s"] for one in found])
    row("loader", **_run(pictures, None, images))
    whole = _run(pictures, cache, images)
    row("cache", **whole)
    row("again", **_run(pictures, cache, images))

    after = random.Random(seed).uniform(0.2, 0.8) * whole["seconds"]
    with subprocess.Popen(_command(pictures, killed, images), stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(after)
        finally:
            child.kill()
    heads = list(killed.glob("*.head"))
    committed = json.loads(heads[0].read_text())["rows"] if heads else 0
    row("killed", after_s=round(after, 1), committed=committed)
    resumed = _run(pictures, killed, images)
    row("resumed", **resumed)
    expected, found = _hashes(cache), _hashes(killed)
    once = committed + resumed["images"] == images
    row("proof", same_bytes=found == expected, nothing_encoded_twice=once)
    return rows


def _run(pictures: Path, cache: Path | None, images: int) -> dict[str, Any]:
    done = subprocess.run(_command(pictures, cache, images), stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _command(pictures: Path, cache: Path | None, images: int) -> list[str]:
    child = [str(pictures), str(cache or "")]
    return [sys.executable, "-m", "benchmarks.feature_cache", "--images", str(images), "--child", *child]


def _child(pictures: Path, cache: Path, images: int) -> dict[str, Any]:
    """One measurement in this process; without a cache folder, of the plain loop."""
    backbone = load_backbone("mini-old", device="cpu", dtype="fp32")
    paths = tuple(f"{i // 1000:05d}/{i:07d}.jpg" for i in range(images))
    files = ImageFiles(pictures, paths, "benchmark")
    split = Split(files, torch.zeros(images, dtype=torch.int64), ("picture",), "{}.", "benchmark/test")
    print("ready", flush=True)
    before, peaks, clock, cpu = _anonymous(), [0], time.monotonic(), _cpu_seconds()
    if cache == Path():
        _loader(backbone, files, peaks)
        numbers: dict[str, Any] = {"images": images}
    else:
        numbers = _cache(backbone, split, cache, peaks)
    seconds, cpu, done = time.monotonic() - clock, _cpu_seconds() - cpu, numbers["images"]
    if not done:
        return {**numbers, "seconds": round(seconds, 2)}
    rates = {"images_per_s": round(done / seconds, 1), "cpu_ms": round(1000 * cpu / done, 3)}
    return {**numbers, "seconds": round(seconds, 2), **rates, "before_mib": before, "peak_mib": max(peaks)}


def _loader(backbone, files: ImageFiles, peaks: list[int]) -> None:
    """The loop that one would write without this library's cache."""
    loader = torch.utils.data.DataLoader(_Pixels(files, backbone.preprocess), BLOCK, num_workers=workers())
    features = []
    with fit_threads(backbone.device, backbone.width):
        for pixels in loader:
            features.append(backbone.image_features(pixels))
            peaks[0] = max(peaks[0], _anonymous())
        kept = torch.cat(features)
    peaks[0] = max(peaks[0], _anonymous())
    torch.save(kept, files.root.with_name("loader.pt"))


class _Pixels(torch.utils.data.Dataset):
    def __init__(self, files: ImageFiles, preprocess):
        self.files, self.preprocess = files, preprocess

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.preprocess.test(self.files[index])


def _cache(backbone, split: Split, cache: Path, peaks: list[int]) -> dict[str, Any]:
    clock, seen, tenths = time.monotonic(), {}, []

    def progress(done: int, total: int, what: str) -> None:
        seen.setdefault("first", (done, time.monotonic() - clock))
        now = _anonymous()
        peaks[0] = max(peaks[0], now)
        if done * 10 // total > len(tenths):
            tenths.append(now)

    encode_split(backbone, split, cache, progress)
    if not seen:
        return {"images": 0}
    done, first = seen["first"]
    images = len(split) - done + min(BLOCK, len(split))
    return {"images": images, "first_block_s": round(first, 2), "tenths_mib": tenths}


def _write_pictures(folder: Path, count: int) -> None:
    """Pictures of the miniature world, 32 × 32, a thousand per folder."""
    import numpy as np
    from PIL import Image

    from clipcompat.data.mini.world import draw_many, sample_scenes

    def write(at: int) -> None:
        index = np.arange(at, min(at + 1000, count))
        place = folder / f"{at // 1000:05d}"
        place.mkdir(parents=True)
        for i, pixels in zip(index, draw_many(sample_scenes(1, index), 1, index), strict=True):
            Image.fromarray(pixels).save(place / f"{i:07d}.jpg", quality=90)

    with ThreadPoolExecutor(workers()) as pool:
        list(pool.map(write, range(0, count, 1000)))


def _anonymous() -> int:
    """Memory of this process that no file backs, MiB."""
    import psutil

    memory = psutil.Process().memory_info()
    return (memory.rss - memory.shared) >> 20


def _cpu_seconds() -> float:
    """Processor time of this process and of those it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _hashes(cache: Path) -> dict[str, str]:
    files = [path for path in cache.iterdir() if path.suffix in (".bin", ".head")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _processor() -> str:
    """The model of the processor."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
