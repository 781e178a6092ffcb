"""Which attention kernel is fastest for prompts that share a prefix; clipcompat/backbones/text/block.py follows it.

`python -m benchmarks.attention` writes benchmarks/results/attention-<device>.json in half a minute.
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import Any

import torch

from benchmarks.bench import RESULTS, device_name, device_slug
from benchmarks.clocks import clock
from clipcompat.backbones.device import pick_device
from clipcompat.backbones.text.fused_attention import attend, prefix_keys
from clipcompat.backbones.text.masked_attention import MaskedAttention
from clipcompat.backbones.text.packing import Packing, Segment
from clipcompat.backbones.text.split_attention import SplitAttention
from clipcompat.common.files import to_json, write_atomic

WIDTHS = ((128, 4), (512, 8), (768, 12))
SHAPES = ((17, 4), (5, 4), (17, 8), (1, 20))  # prefix rows, own rows per prompt
PROMPTS = (4, 16, 47, 100, 300)
MASKED = 1000  # masked attention is measured up to so many rows


def measure(width: int, heads: int, shared: int, rows: int, prompts: int, device: torch.device) -> dict[str, Any]:
    """Seconds that forward and backward of one layer's attention take with each kernel, measured in turns."""
    packing = Packing.of([shared + rows] * prompts, shared, device=device)
    qkv = torch.randn(packing.rows, 3 * width, device=device, requires_grad=True)
    grad = torch.randn(packing.rows, width, device=device)

    def fused() -> None:
        prefix, own = (part.chunk(3, -1) for part in qkv.split(packing.row_counts))  # q, k, v of each
        of_prefix = attend(*prefix, Segment(0, 1, 1, shared), heads)
        of_own = attend(*own, packing.segments[0], heads, prefix_keys(*prefix[1:], 1, heads))
        torch.cat([of_prefix, of_own]).backward(grad)

    kernels = {
        "fused": fused,
        "split": lambda: SplitAttention.apply(qkv, packing, heads).backward(grad),
        "masked": lambda: MaskedAttention.apply(qkv, packing, heads).backward(grad),
    }
    if packing.rows > MASKED:
        kernels.pop("masked")
    times: dict[str, list[float]] = {name: [] for name in kernels}
    for _ in range(15):
        for name, run in kernels.items():
            times[name].append(clock(run, device))
    case = {"width": width, "shared": shared, "rows": rows, "prompts": prompts, "all_rows": packing.rows}
    return case | {name: median(t[3:]) for name, t in times.items()}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    device = pick_device()
    rows = [measure(w, h, s, r, p, device) for w, h in WIDTHS for s, r in SHAPES for p in PROMPTS]
    for row in rows:
        print({k: round(v, 5) for k, v in row.items()}, flush=True)
    content = {"device": device_name(device), "torch": torch.__version__, "rows": rows}
    write_atomic(RESULTS / f"attention-{device_slug(device)}.json", to_json(content) + "\n")


if __name__ == "__main__":
    main()
