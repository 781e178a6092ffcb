"""The committed records of repairs without pictures: every set, known weights, and numbers that come again."""

from __future__ import annotations

import pytest

from clipcompat.backbones.mini.manifest import weights
from clipcompat.data.mini.datasets import study_names
from clipcompat.runs.run import Run
from clipcompat_book.committed import committed_records

RECORDS = committed_records("repair_without_pictures")


def test_every_method_has_every_set_with_the_same_seeds():
    for key in {(r.titles.upgrade, r.titles.label) for r in RECORDS}:
        mine = [r for r in RECORDS if (r.titles.upgrade, r.titles.label) == key]
        assert sorted(r.dataset for r in mine) == sorted(study_names()), key
        assert len({tuple(row["seed"] for row in r.per_seed) for r in mine}) == 1


def test_weights_that_are_not_the_upgrade_s_own_are_known():
    for record in RECORDS:
        assert record.inputs["old_weights"] is None
        new = record.inputs["new_weights"]
        assert new is None or new.removeprefix("sha256:") in weights()


def test_carried_plugins_are_those_of_other_records():
    known = {
        (r.titles.upgrade, r.titles.label, r.dataset, row["seed"]): (row, r.tolerance)
        for r in (*committed_records("repair"), *committed_records("compatibility"))
        for row in r.per_seed
    }
    shared = 0
    for record in RECORDS:
        for row in record.per_seed:
            key = (record.titles.upgrade, record.titles.label, record.dataset, row["seed"])
            expected, tolerance = known.get(key, (row, 0))
            shared += key in known
            for name in ("old", "new"):
                assert row[name] == pytest.approx(expected[name], abs=tolerance), key
    assert shared >= 11


def test_a_cell_comes_again(tmp_path):
    (record,) = (
        r for r in RECORDS if (r.titles.upgrade, r.method, r.dataset) == ("mini", "tip_adapter", "mini/textures")
    )
    how = {"study": "without_pictures", "seeds": (1,), "device": "cpu", "retrain": False}
    again, _ = Run("tip_adapter", "mini/textures", "mini", **how).execute(tmp_path)
    row, expected = again.per_seed[0], record.per_seed[0]
    names = [name for name, value in expected.items() if type(value) is float and not name.endswith("flips")]
    assert "sentences_orthogonal_200" in names
    assert {n: row[n] for n in names} == pytest.approx({n: expected[n] for n in names}, abs=record.tolerance)
