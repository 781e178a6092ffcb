"""Records of the study "mixture" with given curves, for the tests of the chapter."""

from __future__ import annotations

from dataclasses import replace

from clipcompat.runs.records import Record, Titles
from clipcompat.studies.carried.mixture import OMEGAS
from tests.runs.test_records import record

SETS = ("mini/shapes", "mini/tints", "mini/textures")
SEEDS = (1, 2, 3)
SETTINGS = ("hard_negatives=False", "top_k=1", "top_k=2", "top_k=4", "preset=released")


def made(
    changed=(), base=10.0, new=-20.0, carried_base=10.0, carried_new=-20.0, sets=SETS, noise=0.1, certain=0.5, **row
) -> list[Record]:
    """One record per set: accuracies change by so many points per unit of ω, from 80 and 60 on old, 70 and 50 on new.

    changed: settings of DPC. certain: the weight with the greatest certainty. row: further numbers.
    """
    label = f"dpc ({', '.join(changed)})" if changed else "dpc"
    return [
        replace(
            record("dpc", dataset=name),
            study="mixture",
            titles=Titles(label, "DPC", "mini"),
            per_seed=[
                _row(
                    seed, noise * (seed - 2), {"old": (base, new), "carried": (carried_base, carried_new)}, certain, row
                )
                for seed in SEEDS
            ],
        )
        for name in sets
    ]


def _row(seed: int, wobble: float, slopes: dict, certain: float, more: dict) -> dict:
    found = {"seed": seed, "views": 4, "omegas": list(OMEGAS)}
    for side, start in (("old", 80.0), ("carried", 70.0)):
        for half, slope, at in zip(("base", "new"), slopes[side], (start, start - 20), strict=True):
            found[f"{side}_{half}"] = [at + (slope + wobble) * omega for omega in OMEGAS]
        found[f"{side}_certainty"] = [90 - 10 * abs(omega - certain) for omega in OMEGAS]
        found |= {f"{side}_joint": 61.0 + wobble, f"{side}_joint_first": 60.0}
    for side in ("zs_old", "zs_new"):
        found |= {f"{side}_base": 65.0, f"{side}_new": 66.0 + wobble}
    steps = {"step": 0.2, "correlation": 0.98, "random_correlation": 0.98 + wobble / 100}
    return found | steps | {"overlap": 0.9, "random_overlap": 0.8} | more
