from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from clipcompat.common.errors import DataError, UnknownNameError
from clipcompat.data.split import Dataset, Split


@dataclass(frozen=True)
class Names:
    """Images that have names only."""

    names: tuple[str, ...]
    fingerprint: str = "names"

    def __len__(self):
        return len(self.names)

    def key(self, index):
        return self.names[index]

    def select(self, indices):
        return Names(tuple(self.names[i] for i in indices), self.fingerprint)


def _split(classes: int, part: str, each: int = 2) -> Split:
    labels = [label for _ in range(each) for label in reversed(range(classes))]
    return Split(
        images=Names(tuple(f"{part}{i}of{label}" for i, label in enumerate(labels))),
        labels=torch.tensor(labels),
        classnames=tuple(f"class {label}" for label in range(classes)),
        template="a photo of a {}.",
        name=f"toy/{part}",
    )


def _dataset(classes: int) -> Dataset:
    parts = {part: _split(classes, part) for part in ("train", "val", "test")}
    return Dataset(name="toy", **parts, unlabelled=parts["train"].images, shots=2, seed=1)


@pytest.mark.parametrize(("classes", "base"), [(47, 24), (10, 5), (37, 19), (101, 51), (397, 199), (1000, 500), (2, 1)])
def test_base_classes_are_the_first_half_rounded_up_and_new_ones_the_rest(classes, base):
    data = _dataset(classes)
    assert data.base_classes().classnames == data.classnames[:base]
    assert data.new_classes().classnames == data.classnames[base:]


def test_images_keep_their_class_when_classes_are_renumbered():
    new = _dataset(5).new_classes()
    assert new.name == "toy[new]"
    for part in (new.train, new.val, new.test):
        assert part.labels.tolist() == [1, 0, 1, 0]
        for key, label in zip(part.keys, part.labels.tolist(), strict=True):
            assert part.classnames[label] == f"class {key.split('of')[1]}"


def test_base_and_new_share_no_image_and_leave_none_out():
    data = _dataset(5)
    base, new = data.base_classes().test.keys, data.new_classes().test.keys
    assert sorted(base + new) == sorted(data.test.keys)


def test_a_subset_numbers_classes_in_the_order_asked_for():
    part = _dataset(4).subset(["class 2", "class 0", "class 2"])
    assert part.classnames == ("class 2", "class 0")
    assert part.test.keys == ("test1of2", "test3of0", "test5of2", "test7of0")
    assert part.test.labels.tolist() == [0, 1, 0, 1]


def test_a_name_that_two_classes_share_brings_both():
    data = _dataset(3)
    names = ("missile", "fox", "missile")
    twice = replace(data, **{p: replace(getattr(data, p), classnames=names) for p in ("train", "val", "test")})
    assert twice.subset(["missile"]).classnames == ("missile", "missile")


def test_an_unknown_class_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"unknown class of toy 'clas 1'. Did you mean 'class 1'\?"):
        _dataset(3).subset(["clas 1"])


def test_one_class_has_no_new_part():
    with pytest.raises(DataError, match="toy has 1 classes; the new part would have none"):
        _dataset(1).new_classes()


def test_one_label_each_is_needed():
    split = _split(3, "train")
    with pytest.raises(DataError, match="6 images came with 5 labels"):
        replace(split, labels=split.labels[:5])


@pytest.mark.parametrize("wrong", [3, -1])
def test_labels_without_a_class_name_are_refused(wrong):
    split = _split(3, "train")
    with pytest.raises(DataError, match="there are 3 class names"):
        replace(split, labels=torch.full_like(split.labels, wrong))


def test_an_empty_split_is_a_split():
    empty = Split(Names(()), torch.tensor([], dtype=torch.int64), ("a",), "{}", "toy/train")
    assert len(empty) == 0 and empty.keys == ()


def test_stamps_name_pictures_labels_and_class_names_and_nothing_else():
    split = _split(3, "train")
    assert split.stamp == _split(3, "train").stamp == replace(split, template="{}", name="other").stamp
    others = [
        replace(split, labels=split.labels.flip(0)),
        replace(split, classnames=("x", "y", "z")),
        replace(split, images=replace(split.images, fingerprint="other")),
        replace(split, images=split.images.select([1, 0, 2, 3, 4, 5])),
    ]
    assert len({split.stamp, *(other.stamp for other in others)}) == 5
    assert [other.image_stamp == split.image_stamp for other in others] == [True, True, False, False]


def _drawn(classes: int = 3, each: int = 4) -> Dataset:
    train = _split(classes, "train", each)
    drawn = {"train": list(train.keys), "val": []}
    return Dataset("toys", train, _split(classes, "val"), _split(classes, "test"), Names(()), each, 1, drawn)


def test_few_takes_the_first_drawn_images_of_each_class_and_nests():
    data = _drawn()
    two, one = data.few(2), data.few(1)
    assert torch.bincount(two.train.labels).tolist() == [2, 2, 2] and two.shots == 2
    assert two.train.keys == tuple(k for k in data.train.keys if k in two.train.keys)
    assert set(one.train.keys) < set(two.train.keys) < set(data.train.keys)
    for key, label in zip(two.train.keys, two.train.labels, strict=True):
        assert data.train.labels[data.train.keys.index(key)] == label
    assert two.indices == {"train": list(two.train.keys), "val": []}
    assert (two.test, two.val, two.name) == (data.test, data.val, data.name)
    assert data.few(4).train.stamp == data.train.stamp


@pytest.mark.parametrize("shots", [0, -1, 5])
def test_more_images_than_were_drawn_cannot_be_taken(shots):
    with pytest.raises(DataError, match="has classes of 4 training images"):
        _drawn().few(shots)
