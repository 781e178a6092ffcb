"""The records the package ships are of the weights it ships, and say what a table needs."""

from __future__ import annotations

from clipcompat.backbones.upgrade import load_upgrade, shipped_weights
from clipcompat.data.load import load_dataset
from clipcompat.mini.datasets import mini_names
from clipcompat.results import committed_records
from clipcompat.tables import label, reports


def test_committed_records_are_of_the_shipped_pair_and_of_todays_pictures():
    upgrade = load_upgrade("mini", device="cpu")
    records = committed_records("compatibility")
    stamps = {}
    for record in records:
        inputs = record["inputs"]
        assert record["backbones"]["old"]["stamp"] == upgrade.old.stamp
        assert record["backbones"]["new"]["stamp"] == upgrade.new.stamp
        assert inputs["shipped"] == list(shipped_weights("mini")) and inputs["upgrade"] == "mini"
        for seed, found in inputs["stamps"].items():
            key = inputs["dataset"], inputs["shots"], int(seed)
            if key not in stamps:
                data = load_dataset(key[0], shots=key[1], seed=key[2])
                stamps[key] = {"train": data.train.stamp, "test": data.test.stamp}
            assert found == stamps[key]


def test_every_mini_dataset_has_the_same_methods_over_at_least_three_seeds():
    records = committed_records("compatibility")
    methods = {name: {label(r) for r in records if r["inputs"]["dataset"] == name} for name in mini_names()}
    assert len(set(map(frozenset, methods.values()))) == 1
    assert {"zero_shot", "coop", "contcoop"} <= methods[mini_names()[0]]
    assert all(len(r["per_seed"]) >= 3 for r in records)
    trained = [r for r in records if r["inputs"]["method"]["name"] != "zero_shot"]
    assert all(report.retrained is not None for r in trained for report in reports(r))
