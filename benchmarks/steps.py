"""One training step at the text side, full size, random weights: forward and backward, fast path against plain one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.clocks import clock
from benchmarks.padded import KERNELS, PaddedTower, backward_in_chunks, fastest
from clipcompat.backbones.backbone import Backbone
from clipcompat.data.split import Dataset, Split
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.training.learner import Method
from clipcompat.training.task import Task


@dataclass(frozen=True)
class Case:
    """A step: method, class names, images (only CoCoOp's prompts depend on them)."""

    name: str
    method: Method
    classnames: tuple[str, ...]
    images: int = 1


def cases() -> list[Case]:
    from open_clip import IMAGENET_CLASSNAMES

    textures, imagenet = texture_names(), tuple(IMAGENET_CLASSNAMES)
    return [
        Case("coop-47", CoOp(), textures),
        Case("contcoop-47", ContCoOp(), textures),
        Case("cocoop-10x8", CoCoOp(), land_names(), images=8),
        Case("coop-1000", CoOp(), imagenet),
        Case("contcoop-1000", ContCoOp(), imagenet),
    ]


def land_names() -> tuple[str, ...]:
    """The 10 classes of EuroSAT."""
    return (
        "Annual Crop Land",
        "Forest",
        "Herbaceous Vegetation Land",
        "Highway or Road",
        "Industrial Buildings",
        "Pasture Land",
        "Permanent Crop Land",
        "Residential Buildings",
        "River",
        "Sea or Lake",
    )


def texture_names() -> tuple[str, ...]:
    """The 47 classes of DTD."""
    return (
        "banded",
        "blotchy",
        "braided",
        "bubbly",
        "bumpy",
        "chequered",
        "cobwebbed",
        "cracked",
        "crosshatched",
        "crystalline",
        "dotted",
        "fibrous",
        "flecked",
        "freckled",
        "frilly",
        "gauzy",
        "grid",
        "grooved",
        "honeycombed",
        "interlaced",
        "knitted",
        "lacelike",
        "lined",
        "marbled",
        "matted",
        "meshed",
        "paisley",
        "perforated",
        "pitted",
        "pleated",
        "polka-dotted",
        "porous",
        "potholed",
        "scaly",
        "smeared",
        "spiralled",
        "sprinkled",
        "stained",
        "stratified",
        "striped",
        "studded",
        "swirly",
        "veined",
        "waffled",
        "woven",
        "wrinkled",
        "zigzagged",
    )


class Step:
    """A learner with its text tower, once fast and once padded.

    Both leave gradients with the learner's parameters; what feeds the tower (ContCoOp's attention, CoCoOp's meta-net)
    runs in both.
    """

    def __init__(self, case: Case, backbone: Backbone, seed: int = 1):
        self.learner = case.method.setup(Task(backbone, nothing_but(case.classnames), _generator(seed)))
        self.features = torch.randn(case.images, backbone.dim, generator=_generator(seed + 1)).to(backbone.device)
        self.tower, self._padded, self._images = backbone.text, PaddedTower(backbone), case.images
        prompts = self.learner.prompts(self.features)
        count = len(prompts.packing.lengths)
        self.probe = torch.randn(count, backbone.dim, generator=_generator(seed + 2)).to(backbone.device) / count
        self._padding = backbone.text.embed(torch.zeros(1, 1, dtype=torch.int64))
        self._eot = torch.tensor(prompts.packing.lengths, device=backbone.device) - 1
        # from packed rows to padded ones: row t of prompt i, and after its end the padding
        rows = torch.arange(backbone.context_length, device=backbone.device).expand(count, -1)
        whose = torch.arange(count, device=backbone.device)[:, None].expand_as(rows)
        self._where = prompts.packing.find(whose, rows)
        self._beyond = (rows > self._eot[:, None])[..., None]

    def fast(self) -> Tensor:
        self._clear()
        features = self.tower.run(self.learner.prompts(self.features))
        (features * self.probe).sum().backward()
        return features.detach()

    def plain(self, kernel: str, most: int = 100) -> Tensor:
        self._clear()
        rows = self.learner.prompts(self.features).rows
        padded = torch.where(self._beyond, self._padding, rows[self._where])
        return backward_in_chunks(self._padded, padded, self._eot, self.probe, kernel, most)

    def gradients(self) -> Tensor:
        return torch.cat([p.grad.flatten() for p in self.learner.parameters.values() if p.grad is not None])

    def _clear(self) -> None:
        for parameter in self.learner.parameters.values():
            parameter.grad = None


def measure(case: Case, backbone: Backbone, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """One row of the table: the plain way with its fastest kernel and the fast path, in turns.

    A turn is one plain step and a few fast ones, which follow each other as in a training.
    """
    step, trials = Step(case, backbone), KERNELS
    if len(case.classnames) > 100:  # which kernel is fastest is found on some of the classes
        some = Step(Case(case.name, case.method, case.classnames[:100]), backbone)
        trials = (fastest({k: [clock(lambda k=k: some.plain(k), backbone.device) for _ in range(2)] for k in KERNELS}),)
    step.fast()
    if len(trials) > 1:
        step.plain(trials[0])  # warm; the long ones hardly notice
    kept: dict[str, Tensor] = {}
    times: dict[str, list[float]] = {kernel: [] for kernel in (*trials, "fast")}
    for _ in range(repeats):
        for kernel in trials:
            seconds = clock(lambda kernel=kernel: kept.update(features=step.plain(kernel)), backbone.device)
            times[kernel].append(seconds)
            kept["gradients"] = step.gradients()
            times["fast"] += [clock(step.fast, backbone.device) for _ in range(3)]
    best = fastest({kernel: times[kernel] for kernel in trials})
    wanted, gradient = kept["features"], kept["gradients"]
    found, ours = step.fast(), step.gradients()
    row = {
        "name": case.name,
        "reference_s": median(times[best]),
        "fast_s": median(times["fast"]),
        "ratio": median(times[best]) / median(times["fast"]),
        "max_abs_diff": float((found - wanted).abs().max()),
        "max_rel_grad_diff": float((ours - gradient).abs().max() / gradient.abs().max()),
        "largest_feature": float(wanted.abs().max()),
        "reference": best,
        "spread": {kernel: [min(t), max(t)] for kernel, t in times.items()},
        "repeats": repeats,
    }
    say(f"{row['name']}: {row['reference_s']:.2f} s ({best}) / {row['fast_s']:.3f} s = {row['ratio']:.1f}")
    return row


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class _NoImages:
    fingerprint: str = "none"

    def __len__(self) -> int:
        return 0


def nothing_but(classnames: Sequence[str]) -> Dataset:
    """A dataset of class names alone: a step at the text side sees no picture."""
    split = Split(_NoImages(), torch.zeros(0, dtype=torch.int64), tuple(classnames), "a photo of a {}.", "names")
    return Dataset("names", split, split, split, split.images)
