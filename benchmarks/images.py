"""Pictures through the image tower, full size, random weights, forward alone: open_clip's module against ours.

Each row is measured in a process of its own, as a training begins: one that has run long has heap to spare, and asks
the system for less.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.clocks import clock
from benchmarks.limits import image_flops, matmul_peak
from benchmarks.padded import fastest
from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.device import fit_threads
from clipcompat.backbones.load import load_backbone

REPEATS = 5


class PlainImages:
    """open_clip's own forward pass, under autocast where the backbone's type is not float32."""

    def __init__(self, backbone: Backbone):
        self._backbone = backbone

    @torch.no_grad()
    def __call__(self, pixels: Tensor, at_once: int | None = None) -> Tensor:
        """uint8 [picture, 3, size, size] -> [picture, dim], float32, not normalised; at_once: None means all."""
        backbone = self._backbone
        cast = torch.autocast(backbone.device.type, backbone.dtype, enabled=backbone.dtype != torch.float32)
        with cast, fit_threads(backbone.device, backbone.width):
            parts = pixels.to(backbone.device).split(at_once or len(pixels))
            return torch.cat([backbone._model.encode_image(backbone.preprocess.normalise(p)).float() for p in parts])


def measure_alone(name: str, model: str, dtype: str, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """The row of one model, measured in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.images", name, model, f"--device={device}", f"--dtype={dtype}"]
    row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    say(f"{name}: {row['reference_s']:.2f} s ({row['reference']}) / {row['fast_s']:.3f} s = {row['ratio']:.1f}")
    return row


def measure_images(name: str, backbone: Backbone, repeats: int, count: int = 32) -> dict[str, Any]:
    """One row of the table: open_clip in its faster way (all pictures at once, or one by one) and ours, in turns."""
    plain, size = PlainImages(backbone), backbone.preprocess.size
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    ways = {"open_clip, all at once": None, "open_clip, one by one": 1}

    def fast() -> Tensor:
        with fit_threads(backbone.device, backbone.width):
            return backbone.image_features(pixels)

    fast()
    tried = {w: [clock(lambda n=n: plain(pixels[: count // 4], n), backbone.device)] for w, n in ways.items()}
    best = fastest(tried)
    times: dict[str, list[float]] = {best: [], "fast": []}
    for _ in range(repeats):
        times[best].append(clock(lambda: plain(pixels, ways[best]), backbone.device))
        times["fast"].append(clock(fast, backbone.device))
    wanted, found = plain(pixels, ways[best]), fast()
    row = {
        "name": name,
        "reference_s": median(times[best]),
        "fast_s": median(times["fast"]),
        "ratio": median(times[best]) / median(times["fast"]),
        "max_abs_diff": float((found - wanted).abs().max()),
        "largest_feature": float(wanted.abs().max()),
        "reference": best,
        "spread": {way: [min(t), max(t)] for way, t in times.items()},
        "repeats": repeats,
    }
    if backbone.name.startswith("ViT"):  # of other towers the products are not counted
        row["limit_s"] = count * image_flops(backbone) / matmul_peak(backbone.device, backbone.dtype)
    return row


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("model")
    parser.add_argument("--device", required=True)
    parser.add_argument("--dtype", required=True)
    options = parser.parse_args()
    backbone = load_backbone(options.model, "random:1", device=options.device, dtype=options.dtype)
    print(json.dumps(measure_images(options.name, backbone, REPEATS)))


if __name__ == "__main__":
    _main()
