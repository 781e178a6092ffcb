"""Shallow and deep methods are counted pair by pair, place by place, and turn with the numbers."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.methods.pairs import pairs_sentence, pairs_table
from tests.book_package.chapters.methods.test_sentences import seeds
from tests.book_package.test_means import report


def counts(reports) -> dict[str, tuple[str, ...]]:
    """Place -> pairs; on old: shallow and deep higher; on new: the same."""
    return {row[0]: row[1:] for row in pairs_table(reports).rows}


def test_every_pair_is_compared_on_both_sides_and_told_by_the_place_of_the_deep_one():
    found = [
        *seeds("coop", 80, 70),
        *seeds("kgcoop", 70, 60),
        *seeds("clip_adapter", 75, 60, noise=(-0.1, 0.2)),
        *seeds("linear_probe", 90, 5),
    ]
    assert counts(found) == {
        "image features": ("2", "1", "1", "1", "0"),
        "classifier, without text": ("2", "0", "2", "2", "0"),
        "all of these": ("4", "1", "3", "3", "0"),
    }
    assert pairs_sentence(found) == (
        "**Of 4 pairs, the shallow method is higher after the upgrade in 3 and lower in 0.** "
        "On old it is higher in 1 and lower in 3."
    )
    turned = pairs_sentence([*seeds("coop", new=50), *seeds("clip_adapter", new=60)])
    assert "**Of 1 pairs, the shallow method is higher after the upgrade in 0 and lower in 1.**" in turned


def test_a_large_difference_of_one_seed_is_no_direction():
    found = [*seeds("coop", new=60, noise=(0, 60, 0)), *seeds("clip_adapter", new=60, noise=(0, 0, 0))]
    assert counts(found)["all of these"] == ("1", "0", "0", "0", "0")


def test_pairs_are_compared_on_the_datasets_that_both_have():
    found = [*seeds("coop", new=60), *seeds("clip_adapter", new=65), *seeds("clip_adapter", new=0, dataset="b")]
    assert counts(found)["all of these"][3:] == ("0", "1")
    assert counts([*seeds("coop"), *seeds("clip_adapter", dataset="b")])["all of these"][0] == "0"


def test_a_method_that_is_neither_has_no_pair():
    assert counts([*seeds("coop"), *seeds("gda"), *seeds("clip_lora"), *seeds("zero_shot")]).keys() == {
        "classifier, added to text",
        "all of these",
    }


@pytest.mark.parametrize(("method", "missing"), [("coop", "deep"), ("clip_adapter", "shallow")])
def test_one_side_alone_is_not_compared(method, missing):
    found = [report(method), report("zero_shot")]
    assert pairs_sentence(found) == f"There is no {missing} method among these yet."
    assert {row[1] for row in pairs_table(found).rows} <= {"0"}
