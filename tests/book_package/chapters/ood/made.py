"""Records of the study "ood" with given gains, for the tests of the chapter."""

from __future__ import annotations

from dataclasses import replace

from clipcompat.data.shifted import SHIFTED
from clipcompat.runs.records import Record
from tests.runs.test_records import record

SETS = SHIFTED["mini/objects"]
ZS = {"zs_old": 40.0, "zs_new": 45.0, "negative_flips": 2.0}
SEEDS = (1, 2, 3)


def accuracies(old: float, new: float, retrained: float | None = 20.0) -> dict:
    """From gains over zero-shot."""
    return {**ZS, "old": 40 + old, "new": 45 + new, "retrained": None if retrained is None else 45 + retrained}


def made(method="coop", tuned=20.0, shifted=15.0, carried=12.0, both=8.0, retrained=20.0, noise=0.1) -> Record:
    """One method with these gains on every set and in every seed, but for a noise that grows with the seed's number."""
    rows = []
    for seed in SEEDS:
        wobble = noise * (seed - 2)
        there, source = accuracies(shifted + wobble, both + wobble), accuracies(tuned, carried + 2 * wobble, retrained)
        sets = [{"dataset": name, "classes": 3, "there": there, "source": source} for name in SETS]
        means = {f"shifted_{name}": value for name, value in there.items()}
        rows.append(
            {"method": method, "dataset": "mini/objects", "seed": seed, **source, **means, "shifts": sets, "views": 10}
        )
    return replace(record(method, dataset="mini/objects"), study="ood", per_seed=rows)


def plain(*records: Record) -> list[Record]:
    """As if each had its method's default settings."""
    return [replace(r, titles=replace(r.titles, label=r.method, method=title(r.method))) for r in records]


def title(method: str) -> str:
    from clipcompat.methods import METHODS

    return METHODS[method].title
