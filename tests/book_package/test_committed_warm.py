"""The committed records of warm starts: of the shipped weights, whole, and what other records say too."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from clipcompat.backbones.upgrade import load_upgrade, shipped_weights
from clipcompat.data.load import load_dataset
from clipcompat.methods.defaults import mini_method
from clipcompat.plugins.fit import fit
from clipcompat.runs.sweep.spec import load_spec
from clipcompat.studies.accuracy import accuracy
from clipcompat_book.committed import committed_records
from tests.book_package.test_recomputed import commit

WARM = committed_records("warm_start")


def test_the_sweep_of_that_name_asks_for_exactly_these_runs():
    asked = [(r["method"], r["dataset"], list(r["seeds"])) for r in load_spec("warm_start").requests("mini")]
    assert sorted(asked) == sorted((r.method, r.dataset, [row["seed"] for row in r.per_seed]) for r in WARM)
    for record in WARM:
        assert (record.study, record.titles.upgrade) == ("warm_start", "mini")
        assert record.inputs["shipped"] == list(shipped_weights("mini"))


def test_both_ends_of_a_warm_start_are_in_the_compatibility_records():
    known = {
        (r.method, r.dataset, row["seed"]): row
        for r in committed_records("compatibility")
        if r.titles.upgrade == "mini" and r.is_plain
        for row in r.per_seed
    }
    for record in WARM:
        for row in record.per_seed:
            there = known[record.method, record.dataset, row["seed"]]
            found = [row["old"], row["new"], row["scratch_all"], row["new_flips"]]
            wanted = [there["old"], there["new"], there["retrained"], there["negative_flips"]]
            assert found == pytest.approx(wanted, abs=record.tolerance), (record.dataset, row["seed"])


def test_a_training_from_scratch_on_few_shots_and_for_few_epochs_is_computed_again():
    """Another cell with every commit."""
    rng = random.Random(commit())
    record = rng.choice(WARM)
    row, shots = rng.choice(record.per_seed), rng.choice((1, 2))
    method, new = mini_method(record.method), load_upgrade("mini", device="cpu").new
    data = load_dataset(record.dataset, shots=record.inputs["shots"], seed=row["seed"])
    plugin = fit(method, new, data.few(shots), seed=row["seed"], progress=False)
    assert accuracy(plugin, new, data.test) == pytest.approx(row[f"scratch_{shots}_shots"], abs=record.tolerance)
    short = replace(method, recipe=replace(method.recipe, epochs=2))
    plugin = fit(short, new, data, seed=row["seed"], progress=False)
    assert accuracy(plugin, new, data.test) == pytest.approx(row["scratch_2_epochs"], abs=record.tolerance)
