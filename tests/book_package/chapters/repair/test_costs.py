"""What a repair and an audit take is what the benchmarks wrote, and every method of the records has its seconds."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.repair.costs import (
    cost_words,
    measured_costs,
    repair_costs,
    saving_sentence,
    thousand_row,
    thousand_sentence,
)
from clipcompat_book.chapters.repair.rows import methods_of
from clipcompat_book.committed import committed_records
from tests.book_package.chapters.repair.made import made


def test_what_is_shipped_is_what_the_benchmark_wrote(project):
    written = project / "benchmarks" / "results" / "repairs-cpu.json"
    if not written.is_file():
        pytest.skip(f"no {written.name}: this checkout has no benchmark results")
    assert (project / "clipcompat_book" / "records" / "repairs.json").read_bytes() == written.read_bytes()


def test_every_method_of_the_records_has_its_seconds():
    costs = repair_costs()
    assert costs.keys() == methods_of(committed_records("repair"), "mini").keys()
    assert all(cost["repair"] > 0 and cost["retrain"] > 0 for cost in costs.values())
    for title in ("CoOp", "ContCoOp"):
        assert {"retrain_1_shots", "retrain_2_epochs"} < costs[title].keys()


def test_the_sentence_has_the_bounds_of_maps_and_of_imitations():
    methods = methods_of([*made("linear_probe"), *made("tip_adapter"), *made("coop")], "mini")
    costs = {"linear probe": {"repair": 1.0, "retrain": 2.0}, "Tip-Adapter": {"repair": 1.0, "retrain": 10.0}}
    told = saving_sentence(methods, costs | {"CoOp": {"repair": 6.0, "retrain": 5.0}})
    assert told == (
        "A map takes 10 to 50 % of the seconds of retraining. "
        "An imitation takes 120 to 120 % of the seconds of retraining."
    )
    assert saving_sentence(methods, {}) == ""


def test_the_caption_names_the_task_and_a_row_its_ratio():
    found = measured_costs()
    assert (
        found["dataset"].removeprefix("mini/") in cost_words()
        and f"{found['rows'][0]['repeats']} times" in cost_words()
    )
    for row in found["rows"]:
        assert row["ratio"] == pytest.approx(row["seconds"]["repair"] / row["seconds"]["retrain"])


def test_the_row_is_of_a_thousand_plugins_and_meets_its_goal():
    row = thousand_row()
    assert row["plugins"] == 1000 and row["ratio"] >= 20
    assert row["ratio"] == pytest.approx(row["reference_s"] / row["fast_s"])
    assert row["peak_bytes"] < 1.3 * row["peak_bytes_of_100"]  # memory does not grow with plug-ins


def test_the_sentence_has_the_row_s_numbers():
    row, said = thousand_row(), thousand_sentence()
    assert said.startswith("1,000 plug-ins") and f"{row['ratio']:.0f} times as long" in said
