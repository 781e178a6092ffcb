"""Records of the studies "chain" and "warm_start" with given numbers, for the tests of the chapter."""

from __future__ import annotations

from dataclasses import replace

from clipcompat.methods import METHODS
from clipcompat.runs.records import Record, Titles
from tests.runs.test_records import record

SETS = ("mini/textures", "mini/tints", "mini/actions")
SEEDS = (1, 2, 3)
TUNED, ZERO_SHOT = 80.0, 50.0  # on every generation


def _of(study: str, method: str, dataset: str, rows: list[dict]) -> Record:
    plain = record(method, dataset=dataset)
    titles = Titles(method, METHODS[method].title, "mini")
    return replace(plain, study=study, titles=titles, per_seed=rows)


def made_chain(
    method="coop", below=((0, 1), (1, 2), (0, 2)), lost=(10.0, 6.0, 20.0), noise=0.1, count=3
) -> list[Record]:
    """One method, a record per set: points that a plug-in is below tuning there, by (tuned on, tested on).

    below, lost: the pairs and their points; other pairs lose nothing. A noise grows with the seed's number.
    """
    points = dict(zip(below, lost, strict=True))
    records = []
    for dataset in SETS:
        rows = []
        for seed in SEEDS:
            row = {"seed": seed, **{f"zero_shot_at_{j}": ZERO_SHOT for j in range(count)}}
            for i in range(count):
                for j in range(i, count):
                    wobble = noise * (seed - 2) * (i != j)
                    row[f"from_{i}_at_{j}"] = TUNED - points.get((i, j), 0.0) - wobble
            rows.append(row)
        records.append(_of("chain", method, dataset, rows))
    return records


def zero_shot_chain() -> list[Record]:
    """Zero-shot is tuned nowhere, so only the oldest one is tested."""
    row = {f"zero_shot_at_{j}": ZERO_SHOT for j in range(3)} | {f"from_0_at_{j}": ZERO_SHOT for j in range(3)}
    return [_of("chain", "zero_shot", SETS[0], [{"seed": seed, **row} for seed in SEEDS])]


def made_warm(method="coop", carried=60.0, lead=5.0, fewer_flips=2.0, noise=0.1) -> list[Record]:
    """One method, a record per set. From scratch 50 with 1 shot, 70 with 4, 80 with all; a carried start is higher."""
    scratch = {"1_shots": 50.0, "4_shots": 70.0, "2_epochs": 55.0, "10_epochs": 75.0, "all": 80.0}
    records = []
    for dataset in SETS:
        rows = []
        for seed in SEEDS:
            wobble = noise * (seed - 2)
            row = {"seed": seed, "old": 82.0, "new": carried, "new_flips": 25.0}
            for place, value in scratch.items():
                row |= {f"scratch_{place}": value, f"scratch_{place}_flips": 12.0}
                row |= {
                    f"carried_{place}": value + lead + wobble,
                    f"carried_{place}_flips": 12.0 - fewer_flips + wobble,
                }
            rows.append(row)
        records.append(_of("warm_start", method, dataset, rows))
    return records
