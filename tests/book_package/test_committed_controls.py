"""The committed records of the controls: shipped weights, every set, the same seeds, and what the specs ask for."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import load_upgrade, shipped_weights
from clipcompat.data.mini.datasets import study_names
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.committed import committed_records

NAMES = ("controls", "cross_tower", "shuffled")


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_every_set_with_the_same_seeds_on_the_shipped_weights(name):
    records = committed_records(name)
    for record in records:
        assert record.inputs["shipped"] == list(shipped_weights(record.inputs["upgrade"]))
    for label, retrain in {(r.titles.label, r.inputs["retrain"]) for r in records}:
        mine = [r for r in records if (r.titles.label, r.inputs["retrain"]) == (label, retrain)]
        assert sorted(r.dataset for r in mine) == sorted(study_names())
        assert len({tuple(row["seed"] for row in r.per_seed) for r in mine}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_study_of_that_name_asks_for_them(name):
    asked = {
        (r.get("study", "compatibility"), r["upgrade"], r["dataset"], r["method"])
        for r in load_spec(name).requests("mini")
    }
    for record in committed_records(name):
        assert (record.study, record.inputs["upgrade"], record.dataset, record.method) in asked


def test_activation_only_is_of_todays_backbones_and_was_trained_again_where_that_was_asked_for():
    upgrade = load_upgrade("mini-activation-only", device="cpu")
    for record in committed_records("controls"):
        assert record.titles.upgrade == "mini-activation-only"
        assert [record.backbones[side]["stamp"] for side in ("old", "new")] == [upgrade.old.stamp, upgrade.new.stamp]
        trained = record.inputs["retrain"] and record.method != "zero_shot"
        assert all((report.retrained is not None) == trained for report in record.reports)


def rows_on_mini(name):
    """(label, dataset, seed) -> row, of the records of a list that are of the upgrade mini."""
    on_mini = [r for r in committed_records(name) if r.titles.upgrade == "mini"]
    return {(r.titles.label, r.dataset, row["seed"]): row for r in on_mini for row in r.per_seed}


def test_the_diagonal_of_the_towers_is_what_the_records_of_compatibility_have():
    known = rows_on_mini("compatibility")
    for record in committed_records("cross_tower"):
        for row in record.per_seed:
            pair = known[record.titles.label, record.dataset, row["seed"]]
            found, expected = (row["old_old"], row["new_new"]), (pair["old"], pair["new"])
            assert found == pytest.approx(expected, abs=record.tolerance)  # trained again
            assert (row["zs_old_old"], row["zs_new_new"]) == (pair["zs_old"], pair["zs_new"])
