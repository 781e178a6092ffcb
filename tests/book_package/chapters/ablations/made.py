"""Records of switches with given accuracies, for the tests of the chapter."""

from __future__ import annotations

from dataclasses import replace

from clipcompat.runs.records import Record, Titles
from clipcompat_book.chapters.ablations.readings import SETS
from tests.runs.test_records import record

SEEDS = (1, 2, 3)
ZS = {"zs_old": 40.0, "zs_new": 45.0, "negative_flips": 2.0, "retrained": None}


def made(changes="", old=0.0, new=0.0, method="ContCoOp", seeds=SEEDS, sets=SETS, noise=0.1, bend=0.0, **inputs):
    """One record per set: 60 + old on old, 65 + new on new; noise by seed and set, `bend` more on each further set."""
    title = f"{method} ({changes})" if changes else method
    label = title.replace(method, method.lower(), 1).replace("Attn off", "attention=None")
    titles = Titles(label.replace("λ = ", "distillation.weight="), title, "mini")
    found: list[Record] = []
    for k, dataset in enumerate(sets):
        rows = []
        for seed in seeds:
            wobble = noise * ((seed * 7 + k * 3) % 5 - 2)
            both = {"old": 60 + old + k * bend + wobble, "new": 65 + new + k * bend - wobble}
            rows.append({"method": method.lower(), "dataset": dataset, "seed": seed, **ZS, **both, "views": 10})
        base = record(method.lower(), dataset=dataset, **{"dtype": "float32", "shots": 16, **inputs})
        found.append(replace(base, titles=titles, per_seed=rows))
    return found


def study() -> list[Record]:
    """ContCoOp as published, and four switches: nothing, everything alike, new alone, and noise."""
    return [
        *made(noise=0.0),
        *made("attention.heads=4", noise=0.0),
        *made("tau=0.01", old=-5, new=-5),
        *made("condition.pool=none", new=-3),
        *made("attention.bias=True", noise=2.0),
    ]
