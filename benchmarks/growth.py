"""Growth of one step's time and memory with classes, context length and shots, beside the arithmetic limit.

    python -m benchmarks.growth        # writes benchmarks/results/growth-<device>.json; on two CPU cores twenty minutes

Every point is measured in a process of its own, and "memory_bytes" is what a step took at most beyond what the process
held before it. "limit_s" is required FLOPs over the best that a large product reached, once for all points.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import median
from typing import Any

import torch

from benchmarks.clocks import clock, forget_peak, peak_bytes
from benchmarks.limits import matmul_peak, required_flops
from benchmarks.shots import measure_shots
from benchmarks.steps import Case, Step
from clipcompat.backbones.device import pick_device
from clipcompat.backbones.load import load_backbone
from clipcompat.common.files import to_json, write_atomic
from clipcompat.methods import METHODS

CLASSES = (10, 30, 100, 300, 1000, 3000, 10_000)
CONTEXTS = (4, 16, 32, 56)
SHOTS = (1, 2, 4, 8, 16)
MEMORY = 16e9


def points() -> list[dict[str, Any]]:
    """What to measure: shots; or sweep, method, way, classes, context."""
    found: list[dict[str, Any]] = [{"sweep": "shots", "shots": k} for k in SHOTS]
    for method in ("coop", "contcoop"):
        for count in CLASSES:
            # plain, all at once, takes 37 MB per class (more than 300 do not fit here), whatever the method
            ways = ("fast", "plain") if count <= 300 and method == "coop" else ("fast",)
            if method == "coop" or count <= 3000:
                found += [{"sweep": "classes", "method": method, "way": w, "classes": count, "n_ctx": 16} for w in ways]
        found += [{"sweep": "context", "method": method, "way": "fast", "classes": 100, "n_ctx": n} for n in CONTEXTS]
    return found


def measure_point(point: dict[str, Any], device: str) -> dict[str, Any]:
    """One step in this process."""
    from open_clip import IMAGENET_CLASSNAMES

    backbone = load_backbone("ViT-B-16-quickgelu", "random:1", device=device, dtype="fp32")
    del backbone._model.visual
    names = (tuple(IMAGENET_CLASSNAMES) * 10)[: point["classes"]]
    step = Step(Case("growth", METHODS[point["method"]](n_ctx=point["n_ctx"]), names), backbone)
    before = forget_peak(backbone.device)
    backbone.text.memory_budget = int(MEMORY)
    run = step.fast if point["way"] == "fast" else lambda: step.plain("fused", most=len(names))
    if point["classes"] <= 1000:
        run()  # warm; larger ones hardly notice
    repeats = 5 if point["classes"] <= 100 and point["way"] == "fast" else 1
    seconds = [clock(run, backbone.device) for _ in range(repeats)]
    packing = step.learner.prompts(step.features).packing
    shared = packing.shared if point["way"] == "fast" else 0
    flops = required_flops(packing.lengths, shared, backbone.width, backbone.layers, backbone.dim)
    kept = backbone.text._plan(packing, trained=True)[1] if point["way"] == "fast" else []
    return point | {
        "seconds": median(seconds),
        "flops": flops,
        "memory_bytes": peak_bytes(backbone.device) - before,
        "kept": {keep: kept.count(keep) for keep in dict.fromkeys(kept)},
    }


def measure(point: dict[str, Any], device: str) -> list[dict[str, Any]]:
    """The rows of one point, in this process."""
    if point["sweep"] != "shots":
        return [measure_point(point, device)]
    backbone = load_backbone("ViT-B-16-quickgelu", "random:1", device=device, dtype="fp32")
    return measure_shots(point["shots"], backbone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cuda or cpu (default: the best there is)")
    parser.add_argument("--point", help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = pick_device(options.device)
    if options.point:
        print(json.dumps(measure(json.loads(options.point), str(device))))
        return
    from benchmarks.bench import RESULTS, device_name, device_slug

    peak = max(matmul_peak(device) for _ in range(5))
    rows = []
    for point in points():
        command = [sys.executable, "-m", "benchmarks.growth", "--point", json.dumps(point), "--device", str(device)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for row in json.loads(done.stdout.splitlines()[-1]):
            rows.append(row | {"limit_s": row.pop("flops") / peak})
            print(rows[-1], file=sys.stderr, flush=True)
    content = {"device": device_name(device), "model": "ViT-B-16-quickgelu", "torch": torch.__version__, "rows": rows}
    write_atomic(RESULTS / f"growth-{device_slug(device)}.json", to_json(content) + "\n")


if __name__ == "__main__":
    main()
