"""Tables of details: what comes first, and what is left out is told."""

from __future__ import annotations

from clipcompat.runs.detail_tables import class_table, confusion_table, flip_table
from tests.studies.test_details import HAND


def test_the_class_that_lost_most_comes_first():
    assert class_table(HAND).rows == (
        ("dog", "2", "50.0", "0.0", "-50.0", "1"),
        ("cat", "3", "66.7", "66.7", "+0.0", "1"),
        ("eel", "0", "–", "–", "–", "0"),
    )


def test_the_most_frequent_confusion_on_new_comes_first():
    assert confusion_table(HAND).rows == (("dog", "cat", "1", "2"), ("cat", "eel", "0", "1"), ("cat", "dog", "1", "0"))
    assert confusion_table(HAND).caption == "Confusions, 3"


def test_flips_are_listed_in_the_order_of_the_pictures_and_the_rest_is_counted():
    assert flip_table(HAND).rows == (("1", "b.png", "cat", "eel"), ("3", "d.png", "dog", "cat"))
    one = flip_table(HAND, most=1)
    assert len(one.rows) == 1 and "1 of 2 (all: `details.flips()`" in one.caption
