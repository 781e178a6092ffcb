"""Mini datasets look like real ones to the rest of the library."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from clipcompat.data.load import load_dataset
from clipcompat.errors import DataError, UnknownNameError
from clipcompat.mini.datasets import load_mini, mini_names


@pytest.mark.parametrize("name", mini_names())
def test_sizes_and_balance(name):
    data = load_mini(name, shots=16, seed=1)
    classes = len(data.classnames)
    assert 8 <= classes <= 12 and len(set(data.classnames)) == classes
    assert torch.bincount(data.train.labels).tolist() == [16] * classes
    assert torch.bincount(data.val.labels).tolist() == [4] * classes
    assert 800 <= len(data.test) <= 1200 and len(set(torch.bincount(data.test.labels).tolist())) == 1
    assert len(data.unlabelled) >= 64 * classes
    assert data.test.template.count("{}") == 1


@pytest.mark.parametrize("name", mini_names())
def test_no_picture_occurs_in_two_parts(name):
    data = load_mini(name, shots="all", seed=1)
    seen = [
        {hashlib.sha256(split.images[i].tobytes()).digest() for i in range(0, len(split), 7)}
        for split in (data.train, data.val, data.test)
    ]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert not set(data.train.keys) & set(data.test.keys)


def test_pictures_are_drawn_again_alike_and_follow_their_key():
    first, second = load_mini(mini_names()[0], seed=1), load_mini(mini_names()[0], seed=1)
    picture = first.test.images[5]
    assert picture.size == (32, 32) and picture.mode == "RGB"
    assert np.array_equal(picture, second.test.images[5])
    chosen = first.test.images.select([9, 5])
    assert chosen.key(1) == first.test.images.key(5) and np.array_equal(chosen[1], picture)
    assert first.test.stamp == second.test.stamp


def test_the_seed_changes_the_draw_and_nothing_else():
    one, two = load_mini(mini_names()[0], seed=1), load_mini(mini_names()[0], seed=2)
    assert one.train.keys != two.train.keys
    assert one.test.stamp == two.test.stamp


def test_indices_repeat_a_draw():
    name = mini_names()[0]
    drawn = load_mini(name, shots=4, seed=3)
    again = load_mini(name, indices={**drawn.indices, "shots": 4, "seed": 3})
    assert again.train.stamp == drawn.train.stamp and again.val.stamp == drawn.val.stamp
    assert (again.shots, again.seed) == (4, 3)


def test_load_dataset_knows_mini_sets():
    assert load_dataset(mini_names()[0], shots=1).train.keys == load_mini(mini_names()[0], shots=1).train.keys


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="mini/textures"):
        load_mini("mini/texture")


def test_more_shots_than_the_pool_has_are_refused():
    with pytest.raises(DataError, match="shots"):
        load_mini(mini_names()[0], shots=1000)


def test_a_bare_list_of_images_brings_its_number_of_shots():
    drawn = load_mini("mini/textures", shots=2).indices
    assert load_mini("mini/textures", indices=drawn).shots == 2
    assert load_mini("mini/textures", indices={**drawn, "shots": 1}).shots == 1
