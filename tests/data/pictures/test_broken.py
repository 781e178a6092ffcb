"""Broken pictures are left out only when that is asked for; labels, lists and stamps are those of what is left."""

from __future__ import annotations

import logging

import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.load import load_dataset
from clipcompat.data.pictures.broken import find_broken, skip_broken
from clipcompat.features.encode import encode_split


@pytest.fixture
def data(eurosat):
    return load_dataset("eurosat", root=eurosat, shots=2, seed=1)


def damage(data, part: str, *indices: int) -> list[str]:
    """Cut these pictures of a split short, to the same name; their keys."""
    images = getattr(data, part).images
    for index in indices:
        path = images.root / images.paths[index]
        path.write_bytes(path.read_bytes()[:-60])
    return [images.paths[index] for index in indices]


def test_sound_pictures_leave_the_dataset_as_it_is(data):
    same, left_out = skip_broken(data)
    assert left_out == {} and same == data and same.train is data.train


def test_what_cannot_be_decoded_is_found_with_the_reason(data, eurosat):
    keys = damage(data, "test", 4, 9)
    calls = []
    found = find_broken(data.test.images, lambda *call: calls.append(call))
    assert list(found) == keys
    for key, why in found.items():
        assert f"{eurosat / 'eurosat' / '2750' / key} (" in why and "cannot be decoded" in why
    assert [call[:2] for call in calls] == [(i + 1, 30) for i in range(30)]


def test_what_is_known_is_not_decoded_again(data):
    keys, known, calls = damage(data, "test", 4), {}, []
    assert list(find_broken(data.test.images, known=known)) == keys and len(known) == 30
    damage(data, "test", 5)  # after it was found sound
    assert list(find_broken(data.test.images, lambda *call: calls.append(call), known=known)) == keys and not calls


def test_labels_stay_with_their_pictures(data, caplog):
    keys = damage(data, "test", 0, 7, 29) + damage(data, "train", 3)
    splits = {part: getattr(data, part) for part in ("train", "val", "test")}
    before = {part: dict(zip(split.keys, split.labels.tolist(), strict=True)) for part, split in splits.items()}
    with caplog.at_level(logging.WARNING):
        less, left_out = skip_broken(data)
    assert left_out == {"test": keys[:3], "train": keys[3:]}
    for part in ("train", "val", "test"):
        split = getattr(less, part)
        gone = set(left_out.get(part, ()))
        assert dict(zip(split.keys, split.labels.tolist(), strict=True)) == {
            key: label for key, label in before[part].items() if key not in gone
        }
        assert split.classnames == data.classnames and split.template == getattr(data, part).template
    assert all(any(key in message for message in caplog.messages) for key in keys) and len(caplog.messages) == 4
    assert less.indices["train"] == list(less.train.keys) and less.indices["val"] == list(less.val.keys)
    assert less.val is data.val and less.shots == 2 and less.seed == 1


def test_stamps_tell_that_pictures_are_missing(data):
    damage(data, "test", 5)
    less, _ = skip_broken(data)
    assert less.test.stamp != data.test.stamp and less.test.image_stamp != data.test.image_stamp
    assert less.train.stamp == data.train.stamp


def test_without_asking_a_broken_picture_stops_encoding_by_name(data, old):
    (key,) = damage(data, "test", 5)
    with pytest.raises(DataError, match=f"{key}.*cannot be decoded"):
        encode_split(old, data.test)
    less, _ = skip_broken(data)
    assert encode_split(old, less.test).shape == (29, old.dim)
