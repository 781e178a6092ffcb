"""The records the package ships are of weights that are known, shipped or not, and say what a table needs."""

from __future__ import annotations

import pytest

from clipcompat.backbones.mini.manifest import weights
from clipcompat.backbones.upgrade import load_upgrade, shipped_weights
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.datasets import study_names
from clipcompat.data.shifted import SHIFTED
from clipcompat.methods import METHODS
from clipcompat_book.committed import committed_records

RECORDS = committed_records("compatibility")
RUN = {*METHODS, "contcoop (distillation.weight=0.5)"}


def test_records_of_the_upgrade_s_own_weights_are_of_the_shipped_pair():
    upgrade = load_upgrade("mini", device="cpu")
    own = [r for r in RECORDS if r.titles.upgrade == "mini"]
    assert own
    for record in own:
        assert record.inputs["shipped"] == list(shipped_weights("mini"))
        assert record.backbones["old"]["stamp"] == upgrade.old.stamp
        assert record.backbones["new"]["stamp"] == upgrade.new.stamp


def test_weights_that_are_not_shipped_are_in_the_manifest():
    for record in RECORDS:
        inputs = record.inputs
        given = [w for w in (inputs["old_weights"], inputs["new_weights"]) if w is not None]
        assert all(w.removeprefix("sha256:") in weights() for w in given), record.titles.upgrade


def test_records_are_of_todays_pictures():
    stamps = {}
    for inputs in (record.inputs for record in RECORDS):
        for seed, found in inputs["stamps"].items():
            key = inputs["dataset"], inputs["shots"], int(seed)
            if key not in stamps:
                data = load_dataset(key[0], shots=key[1], seed=key[2])
                stamps[key] = {"train": data.train.stamp, "test": data.test.stamp}
            assert found == stamps[key]


@pytest.mark.parametrize("title", sorted({r.titles.upgrade for r in RECORDS}))
def test_every_upgrade_has_every_set_and_the_same_seeds(title):
    mine = [r for r in RECORDS if r.titles.upgrade == title]
    for method in {r.titles.label for r in mine}:
        records = [r for r in mine if r.titles.label == method]
        assert sorted(r.inputs["dataset"] for r in records) == sorted(study_names())
        assert all([row["seed"] for row in r.per_seed] == [1, 2, 3, 4, 5] for r in records)


def test_the_true_upgrade_has_every_method_and_was_trained_again_on_new():
    mine = [r for r in RECORDS if r.titles.upgrade == "mini"]
    assert {r.titles.label for r in mine} == RUN
    trained = [r for r in mine if r.inputs["method"]["name"] != "zero_shot"]
    assert all(report.retrained is not None for r in trained for report in r.reports)


def test_more_seeds_are_of_the_shipped_pair_and_of_draws_that_the_first_records_do_not_have():
    more = committed_records("more_seeds")
    assert {(r.titles.label, r.dataset) for r in more} == {("coop", "mini/satellite"), ("contcoop", "mini/satellite")}
    for record in more:
        assert record.inputs["shipped"] == list(shipped_weights("mini")) and record.titles.upgrade == "mini"
        assert [row["seed"] for row in record.per_seed] == list(range(6, 26))
        data = load_dataset(record.dataset, shots=record.inputs["shots"], seed=25)
        assert record.inputs["stamps"]["25"] == {"train": data.train.stamp, "test": data.test.stamp}


def test_records_of_shifted_sets_are_of_todays_pictures_and_agree_with_those_of_compatibility_on_the_source():
    same = {r.titles.label: r for r in RECORDS if r.dataset == "mini/objects" and r.titles.upgrade == "mini"}
    stamps = {name: load_dataset(name).test.stamp for name in SHIFTED["mini/objects"]}
    records = committed_records("ood")
    assert {"zero_shot", "coop", "kgcoop", "contcoop", "clip_adapter", "linear_probe"} <= {
        r.titles.label for r in records
    }
    for record in records:
        other = same[record.titles.label]
        assert record.inputs["shifted"] == stamps and record.inputs["stamps"] == other.inputs["stamps"]
        assert record.inputs["shipped"] == list(shipped_weights("mini"))
        for row, report in zip(record.per_seed, other.reports, strict=True):
            assert (row["seed"], row["old"], row["new"], row["retrained"]) == pytest.approx(
                (report.seed, report.old, report.new, report.retrained), abs=record.tolerance
            )
