"""The table of predictions has a row for each upgrade that both studies know."""

from __future__ import annotations

from clipcompat_book.chapters.drift.curves import UPGRADE
from clipcompat_book.chapters.drift.tables import prediction_table
from tests.book_package.chapters.drift.made import drift, swap_record

COSTS = {"block 1": 3, "block 2": 2, "block 3": 1}


def test_correlations_that_leave_zero_out_are_marked():
    records = [swap_record(COSTS, dataset=f"mini/{name}") for name in "abc"]
    table = prediction_table(records, {UPGRADE: {"mini/a": drift((0.1, 0.2, 0.3))}}, ("CoOp",))
    (row,) = table.rows
    assert row[:3] == (f"{UPGRADE}, CoOp", "3", "-1.00 ± 0.00 *")
    assert row[4] == "–", "frozen blocks all cost the same here"
    assert len(row) == len(table.columns)


def test_an_upgrade_without_drift_has_no_row():
    assert prediction_table([swap_record(COSTS)], {}, ("CoOp",)).rows == ()
