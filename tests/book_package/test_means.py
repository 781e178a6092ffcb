"""Means are over seeds first, then over datasets, and of comparable things."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError
from clipcompat.studies.report import Compatibility
from clipcompat_book.means import (
    averages,
    by_dataset,
    by_seed,
    change,
    compared,
    gap_by_dataset,
    over_pairs,
    over_seeds,
    over_zero_shot,
    plain_reports,
)
from tests.runs.test_tables import run


def report(method, old=80.0, new=60.0, dataset="a", seed=1, retrained=90.0, zs=(40.0, 50.0)) -> Compatibility:
    return Compatibility(method, dataset, seed, old, new, *zs, retrained, 5.0)


def test_seeds_are_averaged_before_datasets():
    found = [report("coop", new=x, seed=i) for i, x in enumerate((50.0, 60.0, 70.0))] + [
        report("coop", new=90.0, dataset="b")
    ]
    (average,) = averages(found).values()
    assert average.new == 75.0 and average.datasets == ("a", "b") and average.gains == (40.0, 25.0)
    assert average.retrained == 90.0 and average.negative_flips == 5.0


def test_retraining_on_some_datasets_only_has_no_average():
    assert averages([report("coop"), report("coop", dataset="b", retrained=None)])["coop"].retrained is None


def test_methods_come_in_the_registry_s_order():
    assert list(averages([report("contcoop"), report("coop"), report("linear_probe")])) == [
        "linear_probe",
        "coop",
        "contcoop",
    ]


def test_records_with_changed_settings_are_left_out():
    made = [run("coop"), run("coop", settings={"n_ctx": 4}), run("kgcoop", news=(70.0, 71.0))]
    assert [(r.method, r.seed) for r in plain_reports(made)] == [("coop", 1), ("kgcoop", 1), ("kgcoop", 2)]


def test_a_mean_by_dataset_is_over_its_seeds_and_leaves_out_what_was_not_measured():
    found = [report("coop", new=50.0), report("coop", new=60.0, seed=2), report("coop", dataset="b", retrained=None)]
    assert by_dataset(found, over_zero_shot) == {"a": 5.0, "b": 10.0}
    assert by_dataset(found, lambda r: r.retrained) == {"a": 90.0}


def test_a_seed_that_is_missing_on_a_dataset_is_not_averaged_over():
    with pytest.raises(ConfigError, match="same seeds"):
        by_seed([report("coop"), report("coop", seed=2), report("coop", dataset="b")], over_zero_shot)


def test_gaps_by_dataset_are_paired_over_what_both_have():
    one = [report("coop", new=x, seed=i) for i, x in enumerate((50.0, 60.0, 71.0))] + [report("coop", dataset="b")]
    two = [report("kgcoop", new=x, seed=i) for i, x in enumerate((49.0, 59.0))] + [report("kgcoop", dataset="c")]
    gaps = gap_by_dataset(one, two, lambda r: r.new)
    assert list(gaps) == ["a"] and (gaps["a"].mean, gaps["a"].interval, gaps["a"].n) == (1.0, 0.0, 2)
    assert over_seeds(one[:3], over_zero_shot).mean == pytest.approx(10 + 1 / 3)


def test_a_comparison_is_paired_over_what_both_have_and_every_dataset_counts_once():
    one = [report("coop", new=x, seed=i) for i, x in enumerate((50.0, 60.0, 71.0))] + [report("coop", dataset="b")]
    two = [report("kgcoop", new=x, seed=i) for i, x in enumerate((48.0, 54.0))] + [report("kgcoop", 80, 70, "b")]
    found = compared(one, two, lambda r: r.new)
    assert found.by_dataset == {"a": 4.0, "b": -10.0} and found.mean == -3.0
    assert compared(one, [report("coop", dataset="c")], lambda r: r.new) is None


def test_a_change_within_reports_is_over_datasets_and_seeds_and_pairs_are_kept_apart():
    mine = [report("coop", new=50.0), report("coop", new=60.0, seed=2), report("coop", new=75.0, dataset="b")]
    assert change(mine, over_zero_shot).by_dataset == {"a": 5.0, "b": 25.0}
    other = [report("coop", new=50.0, dataset=d) for d in "ab"]
    found = over_pairs({"pair 1": mine, "pair 2": other}, over_zero_shot)
    assert found.pairs == ("pair 1", "pair 2") and found.by_dataset == {"a": 2.5, "b": 12.5}
