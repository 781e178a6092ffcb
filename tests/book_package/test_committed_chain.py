"""The committed records of chains: of the shipped weights, and what the records of the single upgrade say too."""

from __future__ import annotations

import random

import pytest

from clipcompat.backbones.upgrade import later_weights, shipped_weights
from clipcompat.runs.run import Run
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.committed import committed_records
from tests.book_package.test_recomputed import commit

CHAIN = committed_records("chain")
ENDS = {"from_0_at_0": "old", "from_0_at_1": "new", "from_1_at_1": "retrained", "zero_shot_at_1": "zs_new"}


def test_the_sweep_of_that_name_asks_for_these_runs():
    asked = [(r["method"], r["dataset"], list(r["seeds"])) for r in load_spec("chain").requests("mini")]
    for record in CHAIN:
        assert (record.method, record.dataset, [row["seed"] for row in record.per_seed]) in asked
        assert (record.study, record.titles.upgrade) == ("chain", "mini")
        assert record.inputs["shipped"] == list(shipped_weights("mini"))
        assert record.inputs["later"] == later_weights("mini")


def test_every_method_has_the_same_sets():
    sets = {method: [r.dataset for r in CHAIN if r.method == method] for method in {r.method for r in CHAIN}}
    assert len({tuple(found) for found in sets.values()}) == 1 and len(sets) >= 3


def test_the_first_step_of_the_chain_is_the_upgrade_of_the_compatibility_records():
    known = {
        (r.method, r.dataset, row["seed"]): row
        for r in committed_records("compatibility")
        if r.titles.upgrade == "mini" and r.is_plain
        for row in r.per_seed
    }
    for record in CHAIN:
        for row in record.per_seed:
            there = known[record.method, record.dataset, row["seed"]]
            wanted = {name: there[column] for name, column in ENDS.items() if name in row}
            assert {name: row[name] for name in wanted} == pytest.approx(wanted, abs=record.tolerance)


def test_the_end_of_a_chain_is_computed_again(tmp_path):
    """Another cell with every commit."""
    rng = random.Random(commit())
    record = rng.choice(CHAIN)
    row = rng.choice(record.per_seed)
    run = Run(record.method, record.dataset, seeds=(row["seed"],), study="chain", retrain=False, device="cpu")
    again = run.execute(tmp_path)[0].per_seed[0]
    for name in ("from_0_at_0", "from_0_at_2", "zero_shot_at_2"):
        assert again[name] == pytest.approx(row[name], abs=record.tolerance), (record.dataset, row["seed"])
