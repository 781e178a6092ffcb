"""The committed records of repairs: weights that are known, every set, and numbers that come again."""

from __future__ import annotations

import pytest

from clipcompat.backbones.mini.manifest import weights
from clipcompat.data.mini.datasets import study_names
from clipcompat.runs.run import Run
from clipcompat_book.committed import committed_records

RECORDS = committed_records("repair")


def test_every_method_has_every_set_with_the_same_seeds():
    for key in {(r.titles.upgrade, r.titles.label) for r in RECORDS}:
        mine = [r for r in RECORDS if (r.titles.upgrade, r.titles.label) == key]
        assert sorted(r.dataset for r in mine) == sorted(study_names())
        assert len({tuple(row["seed"] for row in r.per_seed) for r in mine}) == 1


def test_weights_that_are_not_the_upgrade_s_own_are_known():
    for record in RECORDS:
        assert record.inputs["old_weights"] is None
        new = record.inputs["new_weights"]
        assert new in (None, "random:1") or new.removeprefix("sha256:") in weights()


def test_carried_and_retrained_are_what_the_records_of_compatibility_have():
    known = {
        (r.titles.label, r.dataset, row["seed"]): (row, r.tolerance)
        for r in committed_records("compatibility")
        if r.titles.upgrade == "mini"
        for row in r.per_seed
    }
    found = [(r, row) for r in RECORDS if r.titles.upgrade == "mini" for row in r.per_seed]
    shared = [(r, row) for r, row in found if (r.titles.label, r.dataset, row["seed"]) in known]
    assert len(shared) >= 11
    for record, row in shared:
        expected, tolerance = known[record.titles.label, record.dataset, row["seed"]]
        for name in ("old", "new", "retrained", "zs_old", "zs_new"):
            assert row[name] == pytest.approx(expected[name], abs=tolerance), (record.titles.label, record.dataset)


def test_a_cell_comes_again(tmp_path):
    (record,) = (
        r for r in RECORDS if (r.titles.upgrade, r.method, r.dataset) == ("mini", "tip_adapter", "mini/textures")
    )
    again, _ = Run("tip_adapter", "mini/textures", "mini", study="repair", seeds=(1,), device="cpu").execute(tmp_path)
    row, expected = again.per_seed[0], record.per_seed[0]
    names = [name for name, value in expected.items() if type(value) is float and not name.endswith("flips")]
    assert "map_orthogonal_200" in names and "text_orthogonal" in names
    assert {n: row[n] for n in names} == pytest.approx({n: expected[n] for n in names}, abs=record.tolerance)
