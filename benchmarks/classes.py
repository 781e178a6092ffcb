"""10,000 classes within a memory budget, in a process of its own: peak memory, time, and that nothing changed.

    python -m benchmarks.classes coop --budget 6e9

The classes are ImageNet's thousand names ten times over, and so is the probe: features must be those of the thousand,
and gradients, of a mean, too.
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

from benchmarks.clocks import clock, peak_bytes
from benchmarks.steps import Case, Step
from clipcompat.backbones.load import load_backbone
from clipcompat.methods import METHODS

TIMES = 10


def measure_classes(method: str, budget: float, device: str, dtype: str, say: Callable[[str], None]) -> dict[str, Any]:
    """The row of one method, measured in a fresh process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.classes",
        method,
        f"--budget={budget}",
        f"--device={device}",
        f"--dtype={dtype}",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    say(f"{row['name']}: {row['slower']:.2f} times the unchunked time a class, peak {row['peak_bytes'] / 1e9:.2f} GB")
    return row


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=("coop", "contcoop"))
    parser.add_argument("--budget", type=float, default=6e9, help="bytes that the whole process may take")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="fp32")
    options = parser.parse_args()
    from open_clip import IMAGENET_CLASSNAMES

    backbone = load_backbone("ViT-B-16-quickgelu", "random:1", device=options.device, dtype=options.dtype)
    del backbone._model.visual  # text only
    names = tuple(IMAGENET_CLASSNAMES)
    peaks = [peak_bytes(backbone.device)]
    small = Step(Case(options.method, METHODS[options.method](), names), backbone)
    large = Step(Case(options.method, METHODS[options.method](), names * TIMES), backbone)
    large.probe = small.probe.repeat(TIMES, 1) / TIMES
    # of what is left of the budget, a part goes to what the allocator holds beside tensors (see
    # clipcompat/backbones/text/memory.py)
    backbone.text.memory_budget = int(0.6 * (options.budget - peak_bytes(backbone.device)))
    found: list[torch.Tensor] = []
    fast = [clock(lambda: found.append(large.fast()), backbone.device) for _ in range(2)][1:]  # the first one warms up
    features, gradients = found[-1], large.gradients()
    peaks.append(peak_bytes(backbone.device))
    parts, kept, _ = backbone.text._plan(large.learner.prompts(large.features).packing, trained=True)
    backbone.text.memory_budget = None  # the thousand keep everything: the time it takes without chunks
    wanted, gradient = small.fast(), small.gradients()
    reference = [clock(small.fast, backbone.device) for _ in range(3)]
    per_class = median(reference) / len(names), median(fast) / len(names) / TIMES
    print(
        json.dumps(
            {
                "name": "classes-10000" if options.method == "coop" else f"classes-10000-{options.method}",
                "reference_s": per_class[0] * len(names) * TIMES,
                "fast_s": median(fast),
                "ratio": per_class[0] / per_class[1],
                "max_abs_diff": float((features - wanted.repeat(TIMES, 1)).abs().max()),
                "max_rel_grad_diff": float((gradients - gradient).abs().max() / gradient.abs().max()),
                "slower": per_class[1] / per_class[0],
                "reference": "the time of 1,000 classes that keep everything, times ten",
                "budget_bytes": options.budget,
                "peak_bytes": peaks[1],
                "held_before_bytes": peaks[0],
                "parts": {keep: kept.count(keep) for keep in dict.fromkeys(kept)},
                "rows": sum(part.packing.rows for part in parts),
            }
        )
    )


if __name__ == "__main__":
    _main()
