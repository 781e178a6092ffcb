"""Committed records that one spec asks for, whole: each run once, with today's settings, seeds and pictures."""

from __future__ import annotations

from statistics import fmean

import pytest

from clipcompat.backbones.mini.manifest import weights
from clipcompat.backbones.upgrade import shipped_weights
from clipcompat.common.config import to_config
from clipcompat.common.files import to_json
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.datasets import study_names
from clipcompat.data.targets import other_names
from clipcompat.methods.defaults import configured_method
from clipcompat.plugins.repair.feature_map import COMPARED
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.committed import committed_records
from tests.book_package.test_committed_controls import rows_on_mini

NAMES = (
    "prompt_learners",
    "domain",
    "cross_dataset",
    "signs",
    "focal",
    "stored_vectors",
    "stored_means",
    "repair_maps",
    "repair_elsewhere",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_run_that_the_spec_asks_for_is_there_with_todays_settings(name):
    found = sorted(
        (r.study, r.inputs["upgrade"], r.dataset, to_json(r.inputs["method"]["config"]), _seeds(r))
        for r in committed_records(name)
        if r.inputs["new_weights"] is None
    )
    asked = sorted(
        (r["study"], r["upgrade"], r["dataset"], to_json(_config(r)), tuple(r["seeds"]))
        for r in load_spec(name).requests("mini")
    )
    assert found == asked


@pytest.mark.parametrize("name", NAMES)
def test_they_are_of_shipped_weights_and_todays_pictures(name):
    for record in committed_records(name):
        assert record.inputs["shipped"][0] == shipped_weights(record.inputs["upgrade"])[0]
        data = load_dataset(record.dataset, shots=16, seed=3)
        assert record.inputs["stamps"]["3"] == {"train": data.train.stamp, "test": data.test.stamp}


@pytest.mark.parametrize("name", ["stored_vectors", "repair_elsewhere"])
def test_the_seed_twin_has_every_run_of_the_spec_and_known_weights(name):
    twin = [r for r in committed_records(name) if r.inputs["new_weights"]]
    asked = [r for r in load_spec(name).requests("mini") if r["upgrade"] == "mini"]
    runs = [(r.method, r.dataset, _seeds(r)) for r in twin]
    assert sorted(runs) == sorted((r["method"], r["dataset"], tuple(r["seeds"])) for r in asked)
    assert all(r.inputs["new_weights"].removeprefix("sha256:") in weights() for r in twin)


def test_plugins_that_maps_repair_and_what_three_maps_make_of_them_are_those_of_the_study_repair():
    known = rows_on_mini("repair")
    carried = {}
    for record in committed_records("repair_maps"):
        for row in record.per_seed:
            expected = known[record.titles.label, record.dataset, row["seed"]]
            for name in ("old", "zs_new", *(f"map_{kind}_200" for kind in COMPARED)):
                assert row[name] == pytest.approx(expected[name], abs=record.tolerance), (record.titles.label, name)
            carried.setdefault(record.titles.label, []).append(row["new"] - expected["new"])
    # Where a probe is lost, rounding in its training moves single accuracies by more than the tolerance.
    assert len(carried) == 4 and all(abs(fmean(gaps)) < 1 for gaps in carried.values())


def test_maps_of_other_pictures_are_of_todays_sets_and_stand_beside_what_the_study_repair_has():
    known, columns = rows_on_mini("repair"), ("old", "zs_new", "retrained", *(f"map_{kind}_200" for kind in COMPARED))
    stamps = {name: load_dataset(name).test.stamp for name in study_names()}
    for record in committed_records("repair_elsewhere"):
        others = other_names(record.dataset)
        assert record.inputs["elsewhere"] == {name: stamps[name] for name in others}
        assert [row["elsewhere"] for row in record.per_seed] == [others[row["seed"] - 1] for row in record.per_seed]
        for row in record.per_seed if record.titles.upgrade == "mini" else ():
            expected = known[record.titles.label, record.dataset, row["seed"]]
            for name in columns:
                assert row[name] == pytest.approx(expected[name], abs=record.tolerance), (record.titles.label, name)


def _seeds(record):
    return tuple(row["seed"] for row in record.per_seed)


def _config(request):
    return to_config(configured_method(request["method"], request["dataset"], "mini", request["settings"]))
