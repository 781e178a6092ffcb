"""Sentences on drift take their directions from the numbers."""

from __future__ import annotations

from clipcompat_book.chapters.drift.curves import by_part, curve, parameters
from clipcompat_book.chapters.drift.losses import lost
from clipcompat_book.chapters.drift.sentences import (
    beside_sentence,
    cost_sentence,
    depth_sentence,
    prediction_sentence,
    shallow_sentence,
    shallow_sentences,
    together_sentence,
)
from tests.book_package.chapters.drift.made import drift, swap_record


def moved(*blocks):
    return curve([drift(blocks)], parameters())


def test_a_trend_is_named_by_the_order_of_the_blocks():
    rising = depth_sentence(moved(0.1, 0.2, 0.3), "the change")
    assert rising == ("The change rises from block to block: lowest in block 1 (0.1), highest in block 3 (0.3).")
    assert "falls from block to block" in depth_sentence(moved(0.3, 0.2, 0.1), "it")
    told = depth_sentence(moved(0.1, 0.3, 0.2), "it")
    assert "tends to rise with depth" in told and told.endswith(" Its rank correlation with depth is +0.50.")
    assert depth_sentence(moved(0, 0, 0), "it") == "It is 0 in every block."
    assert "does not vary" in depth_sentence(moved(0.1, 0.1, 0.1), "it")


def test_the_papers_claim_is_agreed_with_only_where_shallow_blocks_moved_less():
    assert "**agrees**" in shallow_sentence(moved(0.1, 0.2, 0.3), "it")
    assert "**disagrees**" in shallow_sentence(moved(0.3, 0.2, 0.1), "it")
    assert "neither supported nor refuted" in shallow_sentence(moved(0.1, 0.2, 0.1), "it")
    assert shallow_sentences({"a": moved(1, 2, 3), "b": moved(3, 2, 1)}).count("\n- ") == 1


def test_a_control_stands_beside_the_upgrade():
    words = beside_sentence({"up": moved(0.1, 0.2, 0.3), "ctrl": moved(1, 1, 2)}, "up", "ctrl", "it")
    assert words == "It, first and last block: 0.1 and 0.3 in up. With ctrl: 1 and 2."


COSTS = {"positions": 4, "block 1": 3, "block 2": 2, "block 3": 1}
SWAPS = [swap_record(COSTS, dataset=f"mini/{name}") for name in "abcd"]


def test_the_part_that_costs_most_is_named_with_its_interval():
    words = cost_sentence(lost(SWAPS), "CoOp", "replaced")
    assert "becomes new in the old backbone: the largest loss is that of positions, 4.0 ± 0.0 points lost." in words
    assert "A loss is seen for positions, block 1, block 2, block 3, the largest first." in words
    assert words.endswith("No gain is seen for any part.")
    beyond = cost_sentence(lost(SWAPS), "CoOp", "frozen", "zero-shot")
    assert "stays old in the new backbone, beyond what zero-shot loses:" in beyond
    none = cost_sentence(lost([swap_record({}), swap_record({}, dataset="mini/b")]), "CoOp", "replaced")
    assert none.endswith("old backbone: No loss is seen for any part. No gain is seen for any part.")
    gained = [swap_record({"block 2": -2}, dataset=f"mini/{name}") for name in "abc"]
    assert "A gain is seen for block 2." in cost_sentence(lost(gained), "CoOp", "replaced")


def test_parts_together_stand_beside_the_sum_of_each_alone():
    words = together_sentence(SWAPS, "CoOp")
    assert "CoOp 10.0 ± 0.0 points lost. Each replaced alone: 10.0 points, all taken together." in words


def test_a_prediction_says_which_way_it_points_over_blocks_and_over_all_parts():
    wrong_way = prediction_sentence(SWAPS, by_part(drift((0.1, 0.2, 0.3))), "CoOp", "change")
    assert "Over blocks -1.00 ± 0.00 over 4 datasets: what moved *less* costs more." in wrong_way
    assert "Over all parts" in wrong_way
    right = prediction_sentence(SWAPS, by_part(drift((0.3, 0.2, 0.1))), "CoOp", "change")
    assert "Over blocks +1.00 ± 0.00 over 4 datasets: what moved more costs more." in right
    assert "where a part stays old" in prediction_sentence(SWAPS, by_part(drift()), "CoOp", "change", "frozen")
