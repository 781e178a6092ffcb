"""What is asked of one GPU: the text tower's share of the matrix peak, whole trainings from cached features, and a step
with both towers.

    python -m benchmarks.gpu             # about five minutes on one H200; rows go to benchmarks/results/<device>.json
    python -m benchmarks.gpu --smoke     # the same on any device with the mini backbone and few steps: does it run?

"peak" is measured: large bfloat16 products in the same process. Utilisation counts what the prompts need without
padding. Features are random numbers: a step's time does not depend on them. The last row is a T4's type and memory.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.bench import RESULTS, device_name, device_slug
from benchmarks.clocks import clock
from benchmarks.deep_steps import DeepStep, measure_deep
from benchmarks.limits import matmul_peak, required_flops
from benchmarks.steps import Case, Step, texture_names
from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.device import pick_device
from clipcompat.backbones.load import load_backbone
from clipcompat.common.files import to_json, write_atomic
from clipcompat.data.split import Dataset, Split
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.training.loop import train
from clipcompat.training.task import Task

T4_BYTES = 15e9


@dataclass(frozen=True)
class CachedTask(Task):
    """A task whose views are random numbers: what is timed is everything after them."""

    def views(
        self,
        count: int,
        crop: tuple[float, float],
        kind: str = "projected",
        tower: Backbone | None = None,
        split: Split | None = None,
    ) -> Tensor:
        shape = (count, len(self.data.train), self.backbone.feature_width(kind))
        return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(self.backbone.device)


def utilisation(backbone: Backbone, names: tuple[str, ...], name: str) -> dict[str, Any]:
    """Forward and backward of one ContCoOp step: seconds, and its share of the matrix peak."""
    step = Step(Case(name, ContCoOp(), names), backbone)
    for _ in range(3):
        step.fast()
    seconds = median(clock(step.fast, backbone.device) for _ in range(10))
    lengths = step.learner.prompts(step.features).packing.lengths
    flops = required_flops(lengths, 0, backbone.width, backbone.layers, backbone.dim)
    peak = matmul_peak(backbone.device, backbone.dtype, 8192 if backbone.device.type == "cuda" else 1024)
    return {"name": name, "fast_s": seconds, "flops": flops, "peak_flops_s": peak, "share": flops / seconds / peak}


def training(method, backbone: Backbone, names: tuple[str, ...], dataset: str, name: str) -> dict[str, Any]:
    """A whole training of 16 shots from cached features; a method's own recipe."""
    labels = torch.arange(len(names)).repeat_interleave(16)
    split = Split(_Pictures(len(labels)), labels, names, "a photo of a {}.", dataset)
    task = CachedTask(backbone, Dataset(dataset, split, split, split, split.images, 16, 1), torch.Generator())
    told: list[dict[str, Any]] = []
    learner = method.setup(task)
    seconds = clock(lambda: told.extend(train(method, [learner], [task], 10)), backbone.device)
    steps = told[0]["epochs"] * method.recipe.steps_for(len(labels))
    return {"name": name, "fast_s": seconds, "steps": steps, "dtype": str(backbone.dtype)}


@dataclass(frozen=True)
class _Pictures:
    count: int
    fingerprint: str = "none"

    def __len__(self) -> int:
        return self.count

    def key(self, index: int) -> str:
        return str(index)


def rows(device: torch.device, smoke: bool):
    from open_clip import IMAGENET_CLASSNAMES

    imagenet, textures = tuple(IMAGENET_CLASSNAMES), texture_names()
    half = "fp32" if smoke else "bf16"  # a CPU takes long for bfloat16
    if smoke:
        imagenet, textures = imagenet[:12], textures[:5]
    models = (
        {"b16": "mini-old", "l14": "mini-large-old"}
        if smoke
        else {"b16": "ViT-B-16-quickgelu", "l14": "ViT-L-14-quickgelu"}
    )
    contcoop, coop = ContCoOp(), CoOp()
    if smoke:
        contcoop, coop = (replace(m, recipe=replace(m.recipe, epochs=2)) for m in (contcoop, coop))
    for size, model in models.items():
        backbone = load_backbone(model, "random:1", device=device, dtype=half)
        yield utilisation(backbone, imagenet, f"utilisation-1000-{size}")
    backbone = load_backbone(models["b16"], "random:1", device=device, dtype=half)
    yield training(coop, backbone, textures, "dtd", "coop-dtd-4600")
    yield training(contcoop, backbone, imagenet, "imagenet", "contcoop-imagenet-25000")
    yield measure_deep("maple-47-bf16", DeepStep(MaPLe(), backbone, textures, MaPLe().recipe.batch_size), 5, print)
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(T4_BYTES / torch.cuda.get_device_properties(device).total_memory)
        backbone = load_backbone(models["b16"], "random:1", device=device, dtype="fp16")
        short = replace(contcoop, recipe=replace(contcoop.recipe, epochs=1))
        torch.cuda.reset_peak_memory_stats()
        row = training(short, backbone, imagenet, "imagenet", "contcoop-imagenet-t4-memory")
        yield row | {"peak_bytes": torch.cuda.max_memory_allocated(), "budget_bytes": T4_BYTES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    device = pick_device()
    path = RESULTS / f"{device_slug(device)}.json"
    found = {r["name"]: r for r in json.loads(path.read_text())["rows"]} if path.exists() else {}
    for row in rows(device, options.smoke):
        print(row, flush=True)
        found[row["name"]] = row | {"torch": torch.__version__}
        if not options.smoke:
            content = {"device": device_name(device), "model": "ViT-B-16-quickgelu", "rows": list(found.values())}
            write_atomic(path, to_json(content) + "\n")


if __name__ == "__main__":
    main()
