"""Pictures of several places as one sequence: each is the one of its place, in order, with a key of its own."""

from __future__ import annotations

import numpy as np
import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.mini.datasets import load_mini
from clipcompat.data.pictures.joined import joined
from clipcompat.plugins.repair.pictures import as_split


@pytest.fixture(scope="module")
def parts():
    return [load_mini(name, shots=1).unlabelled.select([5, 9, 2]) for name in ("mini/tints", "mini/shapes")]


def test_pictures_come_part_by_part_and_a_selection_keeps_its_order(parts):
    whole = joined(parts)
    assert len(whole) == 6
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    for index, (part, place) in enumerate(places):
        assert np.array_equal(whole[index], parts[part][place])
    some = whole.select([4, 0])
    assert np.array_equal(some[0], parts[1][1]) and np.array_equal(some[1], parts[0][0]) and len(some) == 2
    assert np.array_equal(some.select([1])[0], parts[0][0])


def test_equal_keys_of_two_places_are_told_apart(parts):
    twice = joined([parts[0], parts[0]])
    assert len({twice.key(i) for i in range(6)}) == 6 and parts[0].key(0) in twice.key(0)


def test_features_of_other_pictures_or_of_another_order_have_another_stamp(parts):
    def stamp(images):
        return as_split(images, ("",), "{}").image_stamp

    whole = joined(parts)
    found = [whole, joined(parts[::-1]), whole.select([1, 0, 2, 3, 4, 5]), whole.select([0, 1]), joined(parts[:1])]
    assert len({stamp(images) for images in found}) == len(found)
    assert stamp(joined(parts)) == stamp(whole)


def test_nothing_cannot_be_joined():
    with pytest.raises(DataError, match="nothing to join"):
        joined([])
