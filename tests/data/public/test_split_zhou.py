from __future__ import annotations

import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.public.split_zhou import read_split


def test_lists_come_in_the_order_of_the_file(split, write_split):
    split["train"].reverse()
    read = read_split(write_split(split))
    assert {part: [list(item) for item in items] for part, items in read.items()} == split


def test_paths_are_brought_to_plain_form(split, write_split):
    split["test"][0][0] = "./River//extra.jpg"
    assert read_split(write_split(split))["test"][0][0] == "River/extra.jpg"


def test_an_empty_validation_list_is_allowed(split, write_split):
    assert read_split(write_split({**split, "val": []}))["val"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ('{"train": [["a.jpg", 0, "a"],', "is not JSON.*cut short"),
        ("[" * 100_000, "is not JSON"),
        ("[]", r'an object with the lists "train", "val" and "test"; this is list'),
        ('{"train": [], "val": []}', r"this is an object with \['train', 'val'\]"),
        ('{"train": {}, "val": [], "test": []}', "an object with the lists"),
    ],
)
def test_a_file_that_is_no_split_is_refused(write_split, content, said):
    with pytest.raises(DataError, match=said):
        read_split(write_split(content))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "split.json").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match="is not a text file in UTF-8"):
        read_split(tmp_path / "split.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json cannot be read: No such file"):
        read_split(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (["a.jpg", 0], r"entry 1 of 'train' should be \[path, label, class name\]; it is \['a.jpg', 0\]"),
        ({"path": "a.jpg"}, "should be"),
        ([7, 0, "Annual Crop Land"], "path should be a string; it is 7"),
        (["a.jpg", -1, "Annual Crop Land"], "label should be a whole number from 0 on; it is -1"),
        (["a.jpg", "0", "Annual Crop Land"], "label should be a whole number from 0 on; it is '0'"),
        (["a.jpg", 0.0, "Annual Crop Land"], "label should be a whole number"),
        (["a.jpg", True, "Forest"], "label should be a whole number"),
        (["a.jpg", 0, None], "class name should be a string with words; it is None"),
        (["a.jpg", 0, " _"], "class name should be a string with words"),
        (["/a.jpg", 0, "Annual Crop Land"], "'/a.jpg' leaves the image root"),
        (["b/../../a.jpg", 0, "Annual Crop Land"], "leaves the image root"),
        (["a\0.jpg", 0, "Annual Crop Land"], "leaves the image root"),
        (["C:/a.jpg", 0, "Annual Crop Land"], "is a Windows path"),
        (["b\\a.jpg", 0, "Annual Crop Land"], "is a Windows path"),
        (["", 0, "Annual Crop Land"], "the path is empty"),
        (["caf\udce9.jpg", 0, "Annual Crop Land"], r"the name 'caf\\udce9.jpg' is not UTF-8.*rename it"),
        (["a.jpg", 11, "Caf\udce9"], r"the name 'Caf\\udce9' is not UTF-8"),
        (["a.jpg", 0, "Forest"], "label 0 is called 'Annual Crop Land' and 'Forest'; one label has one name"),
        (["a.jpg", 11, "Desert"], "labels run up to 11, but 10 does not occur"),
        (["a.jpg", 10**18, "Desert"], "but 10 does not occur"),
    ],
)
def test_an_entry_at_fault_is_named(split, write_split, entry, said):
    split["train"].insert(1, entry)
    with pytest.raises(DataError, match=said):
        read_split(write_split(split))


def test_a_picture_in_train_and_test_is_refused(split, write_split):
    split["test"].append(split["train"][0])
    with pytest.raises(DataError, match=r"AnnualCrop_1\.jpg is listed in 'train' and in 'test'"):
        read_split(write_split(split))


def test_a_picture_listed_twice_is_refused_however_it_is_spelt(split, write_split):
    path, label, name = split["train"][0]
    split["train"].append([path.replace("/", "//"), label, name])
    with pytest.raises(DataError, match=r"AnnualCrop_1\.jpg is listed twice in 'train'"):
        read_split(write_split(split))


def test_a_class_without_training_images_is_refused(split, write_split):
    split["train"] = [entry for entry in split["train"] if entry[1] != 8]
    with pytest.raises(DataError, match=r"class 'River' \(label 8\) has no training image"):
        read_split(write_split(split))


def test_an_empty_test_list_is_refused(split, write_split):
    with pytest.raises(DataError, match="the test list is empty"):
        read_split(write_split({**split, "test": []}))


def test_no_entries_at_all_are_refused(write_split):
    with pytest.raises(DataError, match="the test list is empty"):
        read_split(write_split({"train": [], "val": [], "test": []}))
