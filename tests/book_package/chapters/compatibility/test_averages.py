"""Averages over datasets are of comparable things, and sentences about them say what they say."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.averages import averages, carried_sentence, depth_sentence, plain_reports
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


def test_who_is_above_zero_shot_after_the_upgrade_is_told_from_best_to_worst():
    found = [
        report("zero_shot", 40, 50),
        report("linear_probe", new=8.0),
        report("tip_adapter", new=50.4),
        report("coop", new=62.0),
        report("coop", new=62.0, dataset="b"),
        report("contcoop", new=70.0),
    ]
    assert carried_sentence(found) == (
        "**Carried to new, against zero-shot there,** in points, mean of 2 datasets: above it: ContCoOp +20.0 "
        "(of 1 only), CoOp +12.0; within a point: Tip-Adapter +0.4 (of 1 only); below it: linear probe -42.0 (of 1 "
        "only)."
    )
    assert "below it: CoOp -5.0." in carried_sentence([report("coop", new=45.0)])
    with pytest.raises(ConfigError, match="nothing to carry"):
        carried_sentence([report("zero_shot")])


def test_shallow_and_deep_are_compared_pair_by_pair_on_both_sides_and_turn_with_the_numbers():
    found = [
        report("coop", 80, 70),
        report("kgcoop", 70, 60),
        report("clip_adapter", 75, 60),
        report("linear_probe", 90, 5),
    ]
    told = depth_sentence(found)
    higher = "the shallow one is higher by a point or more in"
    assert f"of 4 pairs of a shallow and a deep method, on old {higher} 1, lower in 3" in told
    assert f"(without the linear probe: 1 and 1); on new {higher} 3, lower in 0" in told
    assert "(without the linear probe: 1 and 0)." in told
    assert (
        "deep +35.0 … +50.0 on old and -45.0 … +10.0 on new; shallow +30.0 … +40.0 on old and +10.0 … +20.0 on new."
        in told
    )
    turned = depth_sentence([report("coop", new=50), report("clip_adapter", new=60)])
    assert "on new the shallow one is higher by a point or more in 0, lower in 1." in turned and "without" not in turned


def test_pairs_are_compared_on_the_datasets_that_both_have():
    found = [report("coop", new=60), report("clip_adapter", new=65), report("clip_adapter", new=0, dataset="b")]
    assert "on new the shallow one is higher by a point or more in 0, lower in 1." in depth_sentence(found)


@pytest.mark.parametrize(("method", "missing"), [("coop", "deep"), ("clip_adapter", "shallow")])
def test_one_side_alone_is_not_compared(method, missing):
    assert f"no {missing} method is among these yet" in depth_sentence([report(method), report("zero_shot")])
