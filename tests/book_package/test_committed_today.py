"""The committed records of methods of today: every set, known weights, zero-shot as elsewhere, and numbers again."""

from __future__ import annotations

import pytest

from clipcompat.backbones.mini.manifest import weights
from clipcompat.data.mini.datasets import study_names
from clipcompat.methods import TODAY
from clipcompat.runs.run import Run
from clipcompat_book.chapters.compatibility.controls import shipped_pair
from clipcompat_book.committed import committed_records

RECORDS = committed_records("plugins_today")
UPGRADE = shipped_pair(RECORDS)


def test_only_methods_of_today_are_here_and_each_has_every_set_with_the_same_seeds():
    assert {record.method for record in RECORDS} <= TODAY.keys()
    for key in {(r.titles.upgrade, r.titles.label) for r in RECORDS}:
        mine = [r for r in RECORDS if (r.titles.upgrade, r.titles.label) == key]
        assert sorted(r.dataset for r in mine) == sorted(study_names())
        assert len({tuple(row["seed"] for row in r.per_seed) for r in mine}) == 1


def test_the_upgrade_has_five_seeds_and_retraining():
    assert UPGRADE
    for record in UPGRADE:
        assert [row["seed"] for row in record.per_seed] == [1, 2, 3, 4, 5]
        assert all(report.retrained is not None for report in record.reports)


def test_every_method_of_today_has_records_of_the_upgrade():
    assert {record.method for record in UPGRADE} == TODAY.keys()


def test_the_seed_twin_has_every_method_of_today():
    twin = {r.method for r in RECORDS if r.titles.upgrade.startswith("mini-identity, old 1 → new 2")}
    assert twin == TODAY.keys()


TWIN = "mini-identity, old 1 → new 2, made again"
PAIRS = ("mini-large", "mini, pair 2, made again")
CONTROLS = ("mini-identity", "mini-activation-only", "mini-image-only, made again", "mini-text-only, made again", TWIN)


@pytest.mark.parametrize("title", [*CONTROLS, *PAIRS])
def test_every_control_and_two_more_pretrained_pairs_have_every_method_of_today_with_five_seeds_and_retraining(title):
    mine = [record for record in RECORDS if record.titles.upgrade == title]
    assert {record.method for record in mine} == TODAY.keys()
    for record in mine:
        assert [row["seed"] for row in record.per_seed] == [1, 2, 3, 4, 5]
        assert all(report.retrained is not None for report in record.reports)


def test_weights_that_are_not_shipped_are_in_the_manifest():
    given = {r.inputs[side] for r in RECORDS for side in ("old_weights", "new_weights")} - {None}
    assert all(w.removeprefix("sha256:") in weights() for w in given)


def test_draws_and_zero_shot_are_those_of_the_papers_methods():
    known = {
        (r.dataset, row["seed"]): (row["zs_old"], row["zs_new"], r.inputs["stamps"], r.tolerance)
        for r in shipped_pair(committed_records("compatibility"))
        for row in r.per_seed
    }
    for record in UPGRADE:
        for row in record.per_seed:
            zs_old, zs_new, stamps, tolerance = known[record.dataset, row["seed"]]
            assert row["zs_old"] == pytest.approx(zs_old, abs=tolerance) and record.inputs["stamps"] == stamps
            assert row["zs_new"] == pytest.approx(zs_new, abs=tolerance)


@pytest.mark.parametrize("name", sorted({record.method for record in UPGRADE}))
def test_a_cell_comes_again(name, tmp_path):
    (record,) = (r for r in UPGRADE if (r.titles.label, r.dataset) == (name, "mini/textures"))
    again, _ = Run(name, "mini/textures", "mini", seeds=(1,), device="cpu").execute(tmp_path)
    for field in ("old", "new", "retrained"):
        assert again.per_seed[0][field] == pytest.approx(record.per_seed[0][field], abs=record.tolerance)
