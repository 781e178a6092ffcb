"""All rows of the table, into benchmarks/results/<device>.json: `make bench`.

    python -m benchmarks.bench                      # everything; on two CPU cores about half an hour
    python -m benchmarks.bench --only coop-47       # single rows; the others of the file stay

Nothing else should run meanwhile. Rows say how often each side was timed, in turns, and between which bounds.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import re
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.audits import measure_audits
from benchmarks.classes import measure_classes
from benchmarks.deep_steps import DeepStep, measure_deep
from benchmarks.images import measure_alone
from benchmarks.steps import cases, measure, texture_names
from benchmarks.sweeps import measure_sweeps
from benchmarks.training import end_to_end, extrapolated
from clipcompat.backbones.device import pick_device
from clipcompat.backbones.load import load_backbone
from clipcompat.common.files import to_json, write_atomic
from clipcompat.methods.visual.maple import MaPLe

RESULTS = Path(__file__).resolve().parent / "results"
CLASSES_BUDGET = 5.5e9  # of 6 GB: the allocator is not told, and may hold more than tensors need
HALF = ("coop-47", "contcoop-47")  # once more in bfloat16
IMAGES = {  # pictures of two towers, one in two types
    "images-32": ("ViT-B-16-quickgelu", "fp32"),
    "images-32-eva": ("EVA02-B-16", "fp32"),
    "images-32-bf16": ("ViT-B-16-quickgelu", "bf16"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="names of rows")
    parser.add_argument("--device", help="cuda or cpu (default: the best there is)")
    parser.add_argument("--model", default="ViT-B-16-quickgelu")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    device = pick_device(options.device)
    path = RESULTS / f"{device_slug(device)}.json"
    rows = {r["name"]: r for r in json.loads(path.read_text())["rows"]} if path.exists() and options.only else {}
    for row in _rows(options, device):
        rows[row["name"]] = row | {"torch": torch.__version__, "threads": torch.get_num_threads()}
        content = {"device": device_name(device), "model": options.model, "rows": list(rows.values())}
        write_atomic(path, to_json(content) + "\n")
    print(_table(list(rows.values())))


def _rows(options: argparse.Namespace, device: torch.device):
    def wanted(name: str) -> bool:
        return not options.only or name in options.only

    backbone = load_backbone(options.model, "random:1", device=device, dtype="fp32")
    for case in cases():
        if wanted(case.name):
            repeats = 2 if len(case.classnames) > 100 and device.type == "cpu" else 9
            yield measure(case, backbone, repeats, _say) | {"dtype": "fp32"}
    if wanted("maple-47"):
        deep = DeepStep(MaPLe(), backbone, texture_names(), MaPLe().recipe.batch_size)
        yield measure_deep("maple-47", deep, 5, _say) | {"dtype": "fp32"}
    if wanted("coop-training"):
        yield extrapolated(backbone, 3, _say) | {"dtype": "fp32"}
    half = load_backbone(options.model, "random:1", device=device, dtype="bf16")
    for case in cases():
        if case.name in HALF and wanted(f"{case.name}-bf16"):
            row = measure(case, half, 5, _say)
            yield row | {"name": f"{case.name}-bf16", "dtype": "bf16"}
    del backbone, half
    for name, (model, dtype) in IMAGES.items():
        if wanted(name):
            yield measure_alone(name, model, dtype, str(device), _say) | {"dtype": dtype}
    if wanted("coop-training-mini"):
        yield end_to_end(load_backbone("mini-old", device=device, dtype="fp32"), _say) | {"dtype": "fp32"}
    if wanted("sweep-mini") and device.type == "cpu":
        yield measure_sweeps(1, _say) | {"dtype": "fp32"}
    if wanted("audit-1000") and device.type == "cpu":
        yield measure_audits(_say) | {"dtype": "fp32"}
    for method, name in (("coop", "classes-10000"), ("contcoop", "classes-10000-contcoop")):
        if wanted(name):
            yield measure_classes(method, CLASSES_BUDGET, str(device), "fp32", _say) | {"dtype": "fp32"}


def device_slug(device: torch.device) -> str:
    """Of file names: "cpu", or a GPU's name."""
    return "cpu" if device.type == "cpu" else re.sub(r"\W+", "-", torch.cuda.get_device_name(device).lower())


def device_name(device: torch.device) -> str:
    """Kind of machine, for people; nothing that tells which one."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'name':26} {'reference':>12} {'fast':>10} {'ratio':>7} {'features':>10} {'gradients':>10}"]
    for row in rows:
        differences = [row.get("max_abs_diff"), row.get("max_rel_grad_diff")]
        told = ["–" if d is None else f"{d:.1e}" for d in differences]
        lines.append(
            f"{row['name']:26} {row['reference_s']:10.2f} s {row['fast_s']:8.3f} s {row['ratio']:7.2f} "
            f"{told[0]:>10} {told[1]:>10}"
        )
    return "\n".join(lines)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
