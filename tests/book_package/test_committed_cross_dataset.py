"""The committed records of other sets: of the shipped weights and today's pictures, and what other records say too."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import shipped_weights
from clipcompat.data.load import load_dataset
from clipcompat.data.targets import target_names
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.committed import committed_records

RECORDS = committed_records("cross_dataset")


def test_they_are_of_the_sweep_of_that_name_and_of_todays_pictures():
    asked = [(r["method"], list(r["seeds"])) for r in load_spec("cross_dataset").requests("mini")]
    stamps = {name: load_dataset(name).test.stamp for name in target_names("mini/objects")}
    for record in RECORDS:
        assert (record.method, [row["seed"] for row in record.per_seed]) in asked
        assert record.inputs["targets"] == stamps and record.inputs["shipped"] == list(shipped_weights("mini"))


def test_on_the_source_they_say_what_the_records_of_compatibility_say():
    known = {r.titles.label: r for r in committed_records("compatibility") if r.dataset == "mini/objects"
             and r.titles.upgrade == "mini"}  # fmt: skip
    same = [record for record in RECORDS if record.titles.label in known]
    assert {record.titles.label for record in same} >= {"zero_shot", "coop", "kgcoop", "contcoop"}
    for record in same:
        there = {report.seed: report for report in known[record.titles.label].reports}
        for row in record.per_seed:
            report = there[row["seed"]]
            assert (row["old"], row["new"]) == pytest.approx((report.old, report.new), abs=record.tolerance)


def test_with_no_weight_for_other_names_dpc_is_its_learner_there():
    rows = {record.titles.label: record.per_seed for record in RECORDS}
    for dual, learner in (("dpc", "coop"), ("dpc (learner=maple)", "maple")):
        for one, other in zip(rows[dual], rows[learner], strict=True):
            assert [t["there"]["new"] for t in one["targets"]] == pytest.approx(
                [t["there"]["new"] for t in other["targets"]], abs=0.2
            )
