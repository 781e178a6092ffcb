"""Sentences on all methods say what the numbers say, and turn with them."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError
from clipcompat_book.chapters.methods.sentences import carried_sentence, depth_sentence
from tests.book_package.test_means import report


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
