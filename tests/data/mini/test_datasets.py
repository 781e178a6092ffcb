"""Mini datasets look like real ones to the rest of the library."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from clipcompat.backbones.mini.tokenizer import mini_tokenizer
from clipcompat.common.errors import DataError, UnknownNameError
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.datasets import _scenes, development_names, load_mini, mini_names, study_names
from clipcompat.data.mini.sets import ELEVEN, SETS
from clipcompat.data.mini.world import FIELDS, held_out

TRAINED = (*study_names(), *development_names())
SHIFTED = tuple(name for name in mini_names() if name not in TRAINED)


def test_eleven_sets_mirror_the_papers_eleven_in_their_order():
    assert tuple(SETS[name].mirrors for name in study_names()) == ELEVEN
    assert len(development_names()) == 3 and not set(development_names()) & set(study_names())
    assert [SETS[name].mirrors for name in SHIFTED] == ["ImageNetV2", "ImageNet-Sketch", "ImageNet-A", "ImageNet-R"]


@pytest.mark.parametrize("name", TRAINED)
def test_sizes_and_balance(name):
    data = load_mini(name, shots=16, seed=1)
    classes = len(data.classnames)
    assert classes >= 8 and len(set(data.classnames)) == classes
    assert torch.bincount(data.train.labels).tolist() == [16] * classes
    assert torch.bincount(data.val.labels).tolist() == [4] * classes
    assert len(data.test) >= 2000 and len(set(torch.bincount(data.test.labels).tolist())) == 1
    assert len(data.unlabelled) >= 128 * classes and len(load_mini(name, shots="all").val) >= 16 * classes
    assert data.test.template.count("{}") == 1


def test_the_imagenet_of_the_miniature_is_large_and_its_shifted_sets_share_its_classes():
    names = load_mini("mini/objects").classnames
    assert len(names) >= 100
    for name in SHIFTED:
        data = load_mini(name)
        assert set(data.classnames) <= set(names) and len(data.test) >= 2000
        assert len(data.train) == len(data.val) == len(data.unlabelled) == 0
        assert {c: SETS[name].classes[c] for c in data.classnames}.items() <= SETS["mini/objects"].classes.items()
    assert len(load_mini("mini/objects-a").classnames) < len(names) / 2


def test_the_new_classes_of_objects_hold_combinations_that_pretraining_never_showed():
    classes = list(SETS["mini/objects"].classes.values())
    unseen = [bool(held_out(np.array(c["shape"]), np.array(c["texture"]))) for c in classes]
    assert 0.1 <= np.mean(unseen) and not any(unseen[: len(unseen) // 2])


def test_half_of_all_class_names_have_two_to_six_tokens():
    tokenizer = mini_tokenizer()
    lengths = [len(tokenizer.encode(c)) for name in study_names() for c in SETS[name].classes]
    assert np.mean([2 <= n <= 6 for n in lengths]) >= 0.5


@pytest.mark.parametrize("name", TRAINED)
def test_no_picture_occurs_in_two_parts(name):
    data = load_mini(name, shots="all", seed=1)
    seen = [
        {hashlib.sha256(split.images[i].tobytes()).digest() for i in range(0, len(split), 7)}
        for split in (data.train, data.val, data.test)
    ]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert not set(data.train.keys) & set(data.test.keys)


@pytest.mark.parametrize("name", mini_names())
def test_what_makes_a_class_is_in_every_scene_and_can_be_seen(name):
    kind, numbers = SETS[name], np.arange(600)
    scenes = _scenes(name, 11, numbers)
    column = {field: scenes[:, i] for i, field in enumerate(FIELDS)}
    for i, codes in enumerate(kind.classes.values()):
        mine = numbers % len(kind.classes) == i
        assert all((column[field][mine] == code).all() for field, code in codes.items())
    for field, codes in kind.fixed.items():
        if field not in ("colour", "backdrop", "border", "second_colour"):  # these give way to what is seen behind them
            assert set(column[field]) == set(codes)
    assert (column["colour"] != column["backdrop"]).all()


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
