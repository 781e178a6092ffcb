"""Records of the study "repair" with given accuracies, for the tests of the chapter."""

from __future__ import annotations

from dataclasses import replace

from clipcompat.methods import METHODS
from clipcompat.plugins.repair.feature_map import COMPARED
from clipcompat.runs.records import Record
from clipcompat.studies.carried.repair import IMITATED, MAPPED
from tests.runs.test_records import record

SETS = ("mini/tints", "mini/shapes", "mini/textures")
TWIN = "mini-identity, old 1 → new 2, made again"


def made(
    method: str = "coop", carried=70.0, repaired=78.0, retrained=80.0, upgrade: str = "mini", noise=0.1
) -> list[Record]:
    """One record per set, three seeds, zero-shot at 50; fewer pictures give a little less."""
    found = []
    for number, dataset in enumerate(SETS):
        rows = []
        for seed in (1, 2, 3):
            wobble = noise * (seed - 2) + number
            columns = {"new": carried, "retrained": retrained}
            if method in ("linear_probe", "tip_adapter"):
                columns |= {
                    f"map_{k}_{n}": repaired - (200 - n) / 100
                    for k in ("orthogonal", "ridge", "relaxed")
                    for n in MAPPED
                }
            else:
                columns |= {f"imitate_{n}": repaired - (200 - n) / 100 for n in IMITATED}
            if method == "tip_adapter":
                columns |= {f"text_{kind}": repaired - 4 for kind in COMPARED}
            row = {"seed": seed, "views": 10, "zs_old": 45.0, "zs_new": 50.0 + wobble, "old": 82.0}
            for name, value in columns.items():
                row |= {name: value + wobble, f"{name}_flips": 10.0}
            rows.append(row)
        plain = replace(record(method, dataset=dataset), study="repair", per_seed=rows)
        found.append(replace(plain, titles=replace(plain.titles, method=METHODS[method].title, upgrade=upgrade)))
    return found
