from __future__ import annotations

import logging

import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.custom.assembly import hold_out, resolve

KEYS = [f"{i}.jpg" for i in range(40)]
LABELS = [i % 2 for i in range(40)]


def test_each_class_is_divided_five_to_two_to_three():
    parts = hold_out(range(40), KEYS, LABELS, "x")
    for part, count in ((parts.train, 10), (parts.val, 4), (parts.test, 6)):
        assert [sum(LABELS[i] == y for i in part) for y in (0, 1)] == [count, count]
    assert sorted(parts.train + parts.val + parts.test) == list(range(40)) and parts.held_out


@pytest.mark.parametrize("n", range(3, 30))
def test_no_part_is_ever_empty_and_shares_are_rounded(n):
    parts = hold_out(range(n), KEYS[:n], [0] * n, "x")
    sizes = [len(parts.train), len(parts.val), len(parts.test)]
    assert sum(sizes) == n and min(sizes) >= 1
    assert all(abs(size - share * n) <= 1 for size, share in zip(sizes, (0.5, 0.2, 0.3), strict=True))


def test_the_rule_is_the_same_forever():
    assert hold_out(range(10), KEYS[:10], [0] * 10, "x").test == [0, 2, 8]


def test_the_order_in_which_pictures_are_listed_does_not_matter():
    turned = list(reversed(range(40)))
    one = hold_out(range(40), KEYS, LABELS, "x")
    two = hold_out(range(40), [KEYS[i] for i in turned], [LABELS[i] for i in turned], "x")
    assert {KEYS[i] for i in one.test} == {KEYS[turned[i]] for i in two.test}


def test_too_few_pictures_to_divide_are_named():
    with pytest.raises(DataError, match=r"the class of 1\.jpg has 2 pictures; .* 3 are needed"):
        hold_out([0, 1, 2, 3, 4], ["0", "1.jpg", "2", "3", "4"], [0, 1, 0, 1, 0], "x")


def test_parts_that_are_there_are_taken():
    parts = resolve({"train": [0, 1], "val": [2], "test": [3]}, KEYS, LABELS, "x")
    assert (parts.train, parts.val, parts.test, parts.held_out) == ([0, 1], [2], [3], False)


def test_without_validation_it_is_left_to_be_drawn():
    assert resolve({"train": [0, 1], "test": [3]}, KEYS, LABELS, "x").val is None


def test_validation_is_the_test_part_where_there_is_no_other_and_that_is_said(caplog):
    parts = resolve({"train": [0, 1], "val": [2]}, KEYS, LABELS, "x")
    assert (parts.val, parts.test) == (None, [2]) and "val is tested on" in caplog.text


def test_a_division_is_logged_in_numbers(caplog):
    with caplog.at_level(logging.INFO):
        resolve({"train": list(range(40))}, KEYS, LABELS, "x")
    assert "20 pictures are for training, 8 for validation, 12 for testing" in caplog.text


@pytest.mark.parametrize(("found", "said"), [({}, "nothing"), ({"test": [1], "val": [2]}, "test, val")])
def test_nothing_to_train_on_is_refused(found, said):
    with pytest.raises(DataError, match=f"expected pictures to train on; there are: {said}"):
        resolve(found, KEYS, LABELS, "x")
