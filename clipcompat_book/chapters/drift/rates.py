"""Learning rates of CoOp at deeper layers, chosen as the mini recipe's: by validation on old, on the development sets.

    best_rates(read_trials())    # {NOISE: {0: 0.002, 1: 0.032, …}, HIDDEN: {…}}: those of the study "depth"

`python -m clipcompat_book.chapters.drift.rates FILE` makes the trials: 132 trainings of about a second on an idle core.
Each rate is 4 times the one before; one seed. The rate of plain CoOp, noise at layer 0, had been chosen before.
"""

from __future__ import annotations

import importlib.resources
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.load import load_backbone
from clipcompat.common.files import to_json, write_atomic
from clipcompat.data.load import load_dataset
from clipcompat.data.split import Dataset
from clipcompat.methods.coop import CoOp
from clipcompat.methods.defaults import mini_method
from clipcompat.plugins.fit import fit
from clipcompat.studies.accuracy import accuracy
from clipcompat_book.chapters.drift.depth import HIDDEN, NOISE
from clipcompat_book.chapters.drift.first_steps import PLACEHOLDERS
from clipcompat_book.means import groups

SETS = ("mini/dev-walls", "mini/dev-neon", "mini/dev-thermal")
_SMALL = (2e-3, 8e-3, 3.2e-2, 0.128, 0.512, 2.048)
_LARGE = (2.0, 8.0, 32.0, 128.0, 512.0, 2048.0, 8192.0)
GRIDS = {
    NOISE: {0: _SMALL[:1], 1: _SMALL, 3: _SMALL, 5: _SMALL},
    HIDDEN: {0: _SMALL[:4], 1: _LARGE, 3: _LARGE, 5: _LARGE},
}
"""Start -> layer -> the rates that are tried."""


@dataclass(frozen=True)
class Trial:
    """val: dataset -> accuracy on mini-old in percent, on the validation pictures of the 16-shot draw."""

    start: str
    layer: int
    lr: float
    val: dict[str, float]


def method_at(start: str, layer: int, lr: float) -> CoOp:
    """CoOp with the mini recipe at this layer and rate; weight decay per step is as at CoOp's own rate."""
    plain = mini_method("coop")
    decay = plain.recipe.lr * plain.recipe.weight_decay / lr
    words = PLACEHOLDERS if start == HIDDEN else None
    return replace(plain, layer=layer, ctx_init=words, recipe=replace(plain.recipe, lr=lr, weight_decay=decay))


def make_trials() -> Iterator[Trial]:
    """All trials of `GRIDS`."""
    backbone = load_backbone("mini-old", device="cpu", dtype="float32")
    data = [load_dataset(name, shots=16, seed=1) for name in SETS]
    for start, layers in GRIDS.items():
        for layer, rates in layers.items():
            yield from (make_trial(backbone, data, start, layer, lr) for lr in rates)


def make_trial(backbone: Backbone, data: Sequence[Dataset], start: str, layer: int, lr: float) -> Trial:
    """Train on every dataset, and test on its validation pictures."""
    plugins = [fit(method_at(start, layer, lr), backbone, d, seed=1) for d in data]
    right = {d.name: round(accuracy(p, backbone, d.val), 1) for p, d in zip(plugins, data, strict=True)}
    return Trial(start, layer, lr, right)


def read_trials() -> list[Trial]:
    """The trials that this version ships."""
    file = importlib.resources.files("clipcompat_book") / "records" / "depth_rates.json"
    return [Trial(**row) for row in json.loads(file.read_text(encoding="utf-8"))]


def best_rates(trials: Iterable[Trial]) -> dict[str, dict[int, float]]:
    """Start -> layer -> the rate with the best mean over datasets; the smaller one of equals."""
    found: dict[str, dict[int, float]] = {}
    for (start, layer), own in groups(trials, lambda t: (t.start, t.layer)).items():
        best = max(sorted(own, key=lambda t: t.lr), key=lambda t: fmean(t.val.values()))
        found.setdefault(start, {})[layer] = best.lr
    return found


if __name__ == "__main__":
    write_atomic(sys.argv[1], to_json([asdict(trial) for trial in make_trials()]))
