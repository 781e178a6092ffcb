"""The sentence on the activation alone is read from records."""

from __future__ import annotations

from dataclasses import replace

from clipcompat_book.chapters.controls.activation import activation_sentence
from tests.runs.test_tables import run


def made(method: str, lost: float, flips: float):
    found = []
    for dataset in ("eurosat", "dtd"):
        row = {"method": method, "dataset": dataset, "old": 70.0, "zs_old": 40.0, "zs_new": 40.0, "retrained": None}
        row |= {"negative_flips": flips}
        rows = [row | {"seed": seed, "new": 70.0 - lost} for seed in (1, 2)]
        found.append(replace(run(method, dataset=dataset), per_seed=rows))
    return found


def test_it_names_the_method_that_loses_most_and_the_one_that_flips_most():
    told = activation_sentence([*made("coop", 3.0, 4.0), *made("kgcoop", 1.0, 5.0)])
    assert told.startswith("What 2 methods lose by it on 2 datasets")
    assert "most of all CoOp, 3.0 ± 0.0 points lower" in told and "at most 5.0 % of the pictures (KgCoOp)" in told
