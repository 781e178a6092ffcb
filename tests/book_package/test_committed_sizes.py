"""The committed records of repairs by how much an upgrade changes: every set, known weights, one plug-in per old."""

from __future__ import annotations

from clipcompat.backbones.mini.manifest import weights
from clipcompat.backbones.upgrade import shipped_weights
from clipcompat.data.mini.datasets import study_names
from clipcompat_book.chapters.repair.rows import sizes_of
from clipcompat_book.committed import committed_records

RECORDS = committed_records("repair_sizes")
METHODS = {"linear_probe", "tip_adapter", "coop"}
CONTROLS = {"mini-identity", "mini-activation-only"}  # whose weights are in the package


def _given(record, side):
    return weights().get((record.inputs[f"{side}_weights"] or "").removeprefix("sha256:"))


def test_every_method_has_every_set_on_every_upgrade_with_the_same_seeds():
    for title in {record.titles.upgrade for record in RECORDS}:
        mine = [record for record in RECORDS if record.titles.upgrade == title]
        assert {record.method for record in mine} == METHODS
        assert sorted(record.dataset for record in mine) == sorted(study_names() * len(METHODS))
        assert {tuple(row["seed"] for row in record.per_seed) for record in mine} == {(1,)}


def test_both_shipped_controls_are_there_and_of_shipped_weights():
    mine = [record for record in RECORDS if record.titles.upgrade in CONTROLS]
    assert {record.titles.upgrade for record in mine} == CONTROLS
    for record in mine:
        assert (record.inputs["old_weights"], record.inputs["new_weights"]) == (None, None)
        assert record.inputs["shipped"] == list(shipped_weights(record.titles.upgrade))


def test_where_nothing_changes_carrying_is_retraining():
    for record in RECORDS:
        if record.titles.upgrade == "mini-identity":
            for row in record.per_seed:
                assert row["old"] == row["new"] == row["retrained"] and row["new_flips"] == 0


def test_new_weights_are_known_and_a_step_of_a_run_starts_from_an_earlier_one():
    for record in RECORDS:
        if record.titles.upgrade in CONTROLS:
            continue
        old, new = (_given(record, side) for side in ("old", "new"))
        assert new is not None and (old is None) == (record.inputs["old_weights"] is None)
        if old:
            assert (old["seed"], old["name"]) == (new["seed"], new["name"]) and old["steps_taken"] < new["steps_taken"]


def test_every_size_of_the_table_has_records_and_the_smallest_comes_first():
    found = sizes_of(RECORDS)
    assert len(found) == len({record.titles.upgrade for record in RECORDS})
    assert list(found)[:2] == ["nothing", "the activation alone"]
    assert [words for words in found if words.endswith("more")] == list(found)[2:6]


def test_old_is_the_same_plug_in_where_upgrades_share_it():
    on_old = {}
    for record in RECORDS:
        key = (record.method, record.dataset, record.backbones["old"]["stamp"])
        assert on_old.setdefault(key, record.per_seed[0]["old"]) == record.per_seed[0]["old"]
