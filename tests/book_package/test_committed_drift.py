"""The committed records of drift and of exchanged parts: what the shipped weights give, and what others say too."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import load_upgrade, shipped_weights
from clipcompat.data.mini.sets import study_names
from clipcompat.studies.drift.drift import drift
from clipcompat.studies.drift.report import Drift
from clipcompat.studies.drift.swap import swaps
from clipcompat_book.committed import committed_records

DRIFT, SWAP = committed_records("drift"), committed_records("swap")


def of(records, upgrade):
    return [r for r in records if r.titles.upgrade == upgrade]


@pytest.mark.parametrize("upgrade", ["mini", "mini-large", "mini-next", "mini-two-steps"])
def test_drift_of_shipped_weights_is_computed_again(upgrade):
    records = of(DRIFT, upgrade)
    assert [r.dataset for r in records] == sorted(study_names())
    record = records[0]
    assert record.inputs["shipped"] == list(shipped_weights(upgrade))
    found, stored = drift(load_upgrade(upgrade, device="cpu", dtype="float32"), record.dataset), record.per_seed[0]
    stored = Drift.from_dict(stored)
    for ours, theirs in zip(found.parameters, stored.parameters, strict=True):
        assert (ours.part, ours.kind, ours.relative) == (theirs.part, theirs.kind, pytest.approx(theirs.relative))
    for ours, theirs in zip(found.features, stored.features, strict=True):
        assert (ours.layer, ours.place, ours.rows) == (theirs.layer, theirs.place, theirs.rows)
        assert ours.relative == pytest.approx(theirs.relative, rel=1e-3)


def test_nothing_moved_where_nothing_changed():
    for record in of(DRIFT, "mini-identity"):
        report = Drift.from_dict(record.per_seed[0])
        assert all(change.absolute == 0 for change in report.parameters + report.features)


def test_the_ends_of_the_exchange_are_the_accuracies_of_the_compatibility_records():
    known = {
        (r.method, r.dataset, row["seed"]): row
        for r in of(committed_records("compatibility"), "mini")
        if r.is_plain
        for row in r.per_seed
    }
    compared = 0
    for record in of(SWAP, "mini"):
        for row in record.per_seed:
            assert set(row["accuracies"]) == set(swaps(6))
            there = known[record.method, record.dataset, row["seed"]]
            assert row["accuracies"]["none"][0] == pytest.approx(there["old"], abs=0.1)
            assert row["accuracies"]["all"][1] == pytest.approx(there["new"], abs=0.1)
            compared += 1
    assert compared == 11 * 3 * 5
