"""Records of CoOp at three layers whose means are known."""

from __future__ import annotations

from clipcompat.common.config import to_config
from clipcompat.methods.coop import CoOp
from clipcompat.runs.records import Record
from clipcompat_book.chapters.drift.depth import HIDDEN, HIDDEN_TUNED, NOISE, NOISE_TUNED
from tests.runs.test_tables import run

WORDS = {NOISE: None, NOISE_TUNED: None, HIDDEN: "X X", HIDDEN_TUNED: "X X"}
SETS = {"dtd": -3.0, "eurosat": 3.0}
CELLS = {
    NOISE: {0: (90, 80, 85), 1: (75, 60, 70), 2: (65, 55, 50.5)},  # old, carried to new, retrained on new
    HIDDEN_TUNED: {1: (88, 70, 84), 2: (86, 56, 82)},
    HIDDEN: {0: (91, 81, 86)},
}
ZERO_SHOT = (60, 50)


def depth_run(way: str, layer: int, cell: tuple[float, float, float], dataset: str, more: float, noise=1.0) -> Record:
    """A record of 3 seeds whose mean is `cell` plus `more`; seeds differ by `noise`, all accuracies alike."""
    tuned = way in (NOISE_TUNED, HIDDEN_TUNED)
    recipe = to_config(CoOp().recipe) | ({"lr": 0.5} if tuned else {})
    made = run(news=(0, 0, 0), dataset=dataset, settings={"layer": layer, "ctx_init": WORDS[way], "recipe": recipe})
    for row, seed in zip(made.per_seed, (-1, 0, 1), strict=True):
        values = dict(zip(("old", "new", "retrained", "zs_old", "zs_new"), (*cell, *ZERO_SHOT), strict=True))
        # a seed moves old, new and retrained; `more` moves all five
        row |= {k: v + more + (0 if k.startswith("zs") else seed * noise) for k, v in values.items()}
        row["new"] += 0.1 * seed * layer  # so that differences have an interval
    return made


def depth_records(noise: float = 1.0) -> list[Record]:
    return [
        depth_run(way, layer, cell, dataset, more, noise)
        for way, layers in CELLS.items()
        for layer, cell in layers.items()
        for dataset, more in SETS.items()
    ]
