"""Sentences on all methods say what the numbers say, and turn with them."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError
from clipcompat_book.chapters.methods.sentences import carried_sentence, depth_sentence
from tests.book_package.test_means import report


def seeds(method, old=80.0, new=60.0, dataset="a", noise=(-0.1, 0.1)) -> list:
    return [report(method, old + shift, new + shift, dataset, i) for i, shift in enumerate(noise, 1)]


def test_who_is_above_zero_shot_after_the_upgrade_is_told_from_best_to_worst():
    found = [
        *seeds("zero_shot", 40, 50),
        *seeds("linear_probe", new=8.0),
        *seeds("tip_adapter", new=56.0, noise=(-5, 5)),
        *seeds("coop", new=62.0),
        *seeds("coop", new=62.0, dataset="b"),
        *seeds("contcoop", new=51.5),
    ]
    assert carried_sentence(found) == (
        "**Carried to new, against zero-shot there,** in points, mean of 2 datasets: above it: CoOp +12.0 ± 0.9, "
        "ContCoOp +1.5 ± 1.3 (of 1 only); no difference seen: Tip-Adapter +6.0 ± 63.5 (of 1 only); below it: "
        "linear probe -42.0 ± 1.3 (of 1 only)."
    )
    assert "below it: CoOp -5.0 ± 1.3." in carried_sentence(seeds("coop", new=45.0))
    with pytest.raises(ConfigError, match="nothing to carry"):
        carried_sentence([report("zero_shot")])


def test_shallow_and_deep_are_compared_pair_by_pair_on_both_sides_and_turn_with_the_numbers():
    found = [
        *seeds("coop", 80, 70),
        *seeds("kgcoop", 70, 60),
        *seeds("clip_adapter", 75, 60, noise=(-0.1, 0.2)),
        *seeds("linear_probe", 90, 5),
    ]
    told = depth_sentence(found)
    assert "of 4 pairs of a shallow and a deep method, on old the shallow one is higher in 1, lower in 3, no d" in told
    assert "(without the linear probe: 1, 1 and 0); on new the shallow one is higher in 3, lower in 0, no diff" in told
    assert "no difference seen in 1 (without the linear probe: 1, 0 and 1)." in told
    assert "shallow +30.0 … +40.0 on old and +10.0 … +20.0 on new." in told
    turned = depth_sentence([*seeds("coop", new=50), *seeds("clip_adapter", new=60)])
    assert "on new the shallow one is higher in 0, lower in 1, no difference seen in 0." in turned
    assert "without the" not in turned


def test_a_large_difference_of_one_seed_is_no_direction():
    found = [*seeds("coop", new=60, noise=(0, 60, 0)), *seeds("clip_adapter", new=60, noise=(0, 0, 0))]
    assert "on new the shallow one is higher in 0, lower in 0, no difference seen in 1." in depth_sentence(found)


def test_pairs_are_compared_on_the_datasets_that_both_have():
    found = [*seeds("coop", new=60), *seeds("clip_adapter", new=65), *seeds("clip_adapter", new=0, dataset="b")]
    assert "on new the shallow one is higher in 0, lower in 1, no difference seen in 0." in depth_sentence(found)


@pytest.mark.parametrize(("method", "missing"), [("coop", "deep"), ("clip_adapter", "shallow")])
def test_one_side_alone_is_not_compared(method, missing):
    assert f"no {missing} method is among these yet" in depth_sentence([report(method), report("zero_shot")])
