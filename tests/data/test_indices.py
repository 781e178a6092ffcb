from __future__ import annotations

import json

import pytest

from clipcompat.common.errors import DataError, StorageError
from clipcompat.data.indices import export_indices, positions, read_indices
from clipcompat.data.load import load_dataset

LISTS = {"train": ["a.jpg", "b.jpg"], "val": ["c.jpg"]}


def test_an_exported_list_says_what_was_drawn_from_what(eurosat, tmp_path):
    data = load_dataset("eurosat", root=eurosat, shots=2, seed=3)
    written = json.loads(export_indices(data, tmp_path / "new" / "drawn.json").read_text())
    assert written == {"dataset": "eurosat", "shots": 2, "seed": 3, **data.indices}
    assert written["train"] == list(data.train.keys)


def test_exporting_some_classes_exports_the_whole_draw(eurosat, tmp_path):
    data = load_dataset("eurosat", root=eurosat, shots=2)
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    assert export_indices(data, whole).read_text() == export_indices(data.base_classes(), part).read_text()


def test_a_folder_that_is_a_file_cannot_be_written_to(eurosat):
    data = load_dataset("eurosat", root=eurosat, shots=2)
    with pytest.raises(StorageError, match="could not write"):
        export_indices(data, eurosat / "eurosat" / "split_zhou_EuroSAT.json" / "drawn.json")


def test_a_byte_order_mark_in_front_of_a_list_is_no_fault(tmp_path):
    (tmp_path / "i.json").write_text('\ufeff{"train": ["a"], "val": []}', encoding="utf-8")
    assert read_indices(tmp_path / "i.json", "eurosat")["train"] == ["a"]


def test_a_mapping_and_a_file_are_read_alike(tmp_path):
    path = tmp_path / "drawn.json"
    path.write_text(json.dumps(LISTS))
    assert read_indices(path, "toy") == read_indices(str(path), "toy") == read_indices(LISTS, "toy") == LISTS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "'train' is not there"),
        ('{"train": []}', "'val' is not there"),
        ('{"train": "a.jpg", "val": []}', "'train' is something else"),
        ('{"train": [], "val": [1]}', "'val' is something else"),
        ('{"train": [], "val": [], "dataset": "dtd"}', "was drawn from 'dtd', not from 'toy'"),
        ('{"train": [], "val": [], "seed": "one"}', "the seed should be a whole number or null; it is 'one'"),
        ('{"train": ["a", "b"], "val": ["b"]}', "1 images are both in train and in val, such as b"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path, content, said):
    (tmp_path / "drawn.json").write_text(content)
    with pytest.raises(DataError, match=rf"drawn\.json.*{said}"):
        read_indices(tmp_path / "drawn.json", "toy")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json cannot be read: No such file"):
        read_indices(tmp_path / "nowhere.json", "toy")


def test_keys_are_found_in_the_order_given_and_more_than_once():
    assert positions(["c", "a", "c"], ["a", "b", "c"], "train", "toy") == [2, 0, 2]


def test_unknown_keys_are_counted_and_the_first_three_named():
    with pytest.raises(DataError, match=r"toy: 4 of the 5 val keys .* among its 2 val images: u, v, w, …\."):
        positions(["u", "v", "a", "w", "x"], ["a", "b"], "val", "toy")


def test_a_file_that_is_there_is_kept_unless_it_may_be_overwritten(eurosat, tmp_path):
    data, file = load_dataset("eurosat", root=eurosat, shots=2, seed=1), tmp_path / "drawn.json"
    file.write_text("mine")
    with pytest.raises(StorageError, match="exists and would be lost"):
        export_indices(data, file)
    assert file.read_text() == "mine"
    assert json.loads(export_indices(data, file, force=True).read_text())["shots"] == 2
