from __future__ import annotations

import logging
import shutil
import sys
import types

import pytest
import torch

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.data.indices import export_indices
from clipcompat.data.load import dataset_names, load_dataset
from tests.data.conftest import CLASSES
from tests.reference.sampling import dassl_draw


def test_splits_hold_the_drawn_images_and_the_whole_test_list(eurosat, split):
    data = load_dataset("eurosat", root=eurosat, shots=2, seed=1)
    drawn = dassl_draw([(p, y) for p, y, _ in split["train"]], [(p, y) for p, y, _ in split["val"]], 2, 1)
    assert list(zip(data.train.keys, data.train.labels.tolist(), strict=True)) == drawn[0]
    assert list(zip(data.val.keys, data.val.labels.tolist(), strict=True)) == drawn[1]
    assert [list(item) for item in zip(data.test.keys, data.test.labels.tolist(), strict=True)] == [
        entry[:2] for entry in split["test"]
    ]
    assert data.unlabelled.paths == tuple(entry[0] for entry in split["train"])
    assert data.indices == {"train": list(data.train.keys), "val": list(data.val.keys)}
    assert (data.name, data.shots, data.seed) == ("eurosat", 2, 1)
    assert [getattr(data, part).name for part in ("train", "val", "test")] == [
        "eurosat/train",
        "eurosat/val",
        "eurosat/test",
    ]
    assert data.train.labels.dtype == torch.int64


def test_every_picture_of_a_loaded_data_set_can_be_opened(eurosat):
    data = load_dataset("eurosat", root=eurosat, shots=1)
    for images in (data.train.images, data.val.images, data.test.images, data.unlabelled):
        assert {images[i].size for i in range(len(images))} == {(8, 8)}


def test_class_names_reach_prompts_with_spaces(eurosat):
    data = load_dataset("eurosat", root=eurosat, shots=1)
    assert data.classnames == (*list(CLASSES.values())[:-1], "Sea or Lake")
    assert data.test.template == "a centered satellite photo of {}."


def test_another_style_brings_other_templates(eurosat):
    assert len(load_dataset("eurosat", root=eurosat, shots=1, templates="openai80").test.template) == 80


def test_an_alias_loads_the_same_data_set(eurosat):
    data, alias = (load_dataset(name, root=eurosat, shots=1) for name in ("eurosat", "EuroSAT"))
    assert alias.name == "eurosat" and alias.train.stamp == data.train.stamp


def test_seeds_draw_different_images_and_one_seed_the_same(eurosat):
    first, again, other = (load_dataset("eurosat", root=eurosat, shots=2, seed=seed) for seed in (1, 1, 2))
    assert first.train.stamp == again.train.stamp != other.train.stamp
    assert first.test.stamp == other.test.stamp


def test_stamps_do_not_depend_on_where_the_data_lies(eurosat, tmp_path):
    shutil.copytree(eurosat, tmp_path / "elsewhere")
    here, there = (load_dataset("eurosat", root=root, shots=2) for root in (eurosat, tmp_path / "elsewhere"))
    for part in ("train", "val", "test"):
        assert getattr(here, part).stamp == getattr(there, part).stamp


def test_all_shots_take_the_whole_lists(eurosat):
    for everything in (None, "all"):
        data = load_dataset("eurosat", root=eurosat, shots=everything)
        assert (len(data.train), len(data.val), data.shots) == (60, 50, None)
        assert load_dataset("eurosat", root=eurosat, indices=data.indices).train.stamp == data.train.stamp


def test_base_classes_keep_the_shots_of_the_whole_draw(eurosat):
    data = load_dataset("eurosat", root=eurosat, shots=2)
    assert data.base_classes().train.keys == data.train.keys[:10]
    assert len(data.base_classes().classnames) == len(data.new_classes().classnames) == 5
    for half in (data.base_classes(), data.new_classes()):  # the pool is of the same classes, and as large as ever
        assert set(half.pool.labels.tolist()) == set(range(5)) and set(half.train.keys) <= set(half.pool.keys)
    assert len(data.base_classes().pool) + len(data.new_classes().pool) == len(data.unlabelled)


def test_exported_indices_give_the_same_images_back(eurosat, tmp_path):
    data = load_dataset("eurosat", root=eurosat, shots=3, seed=9)
    path = export_indices(data, tmp_path / "drawn.json")
    again = load_dataset("eurosat", root=eurosat, indices=path)
    assert (again.train.stamp, again.val.stamp) == (data.train.stamp, data.val.stamp)
    assert (again.shots, again.seed, again.indices) == (3, 9, data.indices)


def test_bare_indices_tell_their_shots_but_no_seed(eurosat):
    data = load_dataset("eurosat", root=eurosat, shots=3, seed=9)
    again = load_dataset("eurosat", root=eurosat, indices=data.indices)
    assert again.train.stamp == data.train.stamp and (again.shots, again.seed) == (3, None)


@pytest.mark.parametrize(
    ("indices", "said"),
    [
        ({"train": ["Forest/none.jpg"], "val": []}, "1 of the 1 train keys .* among its 60 train images: Forest/none"),
        ({"train": ["Forest/Forest_15.jpg"], "val": ["Forest/Forest_16.jpg"]}, "1 of the 1 val keys"),
        ({"train": [], "val": []}, "name no training image"),
        ({"train": ["Forest/Forest_15.jpg"]}, "'val' is not there"),
    ],
)
def test_indices_of_other_images_are_refused(eurosat, indices, said):
    with pytest.raises(DataError, match=said):
        load_dataset("eurosat", root=eurosat, indices=indices)


def test_more_shots_than_a_class_has_are_refused(eurosat, split, write_split):
    with pytest.raises(DataError, match="'Annual Crop Land' has 6.*no class has more than 6"):
        load_dataset("eurosat", root=eurosat, shots=7)
    split["train"] = [entry for entry in split["train"] if entry[0] != "River/River_113.jpg"]
    write_split(split, eurosat / "eurosat" / "split_zhou_EuroSAT.json")
    with pytest.raises(DataError, match=r"eurosat: 6 shots were asked for, but 'River' has 5.*allow_fewer=True"):
        load_dataset("eurosat", root=eurosat, shots=6)
    assert len(load_dataset("eurosat", root=eurosat, shots=6, allow_fewer=True).train) == 59


def test_repeating_draws_fill_a_class_up(eurosat):
    data = load_dataset("eurosat", root=eurosat, shots=7, repeat=True)
    assert torch.bincount(data.train.labels).tolist() == [7] * 10 and len(data.val) == 50
    again = load_dataset("eurosat", root=eurosat, indices=data.indices)
    assert again.train.stamp == data.train.stamp


def test_a_data_set_that_is_not_complete_is_logged(eurosat, caplog):
    with caplog.at_level(logging.WARNING):
        load_dataset("eurosat", root=eurosat, shots=1)
    assert "10 classes, 60 training and 30 test images here; complete are 10, 13500 and 8100" in caplog.text


def test_missing_pictures_are_told_when_loading(eurosat):
    for number in (13, 14):
        (eurosat / "eurosat" / "2750" / "AnnualCrop" / f"AnnualCrop_{number}.jpg").unlink()
    with pytest.raises(DataError, match=r"eurosat: 2 of the 50 pictures needed .* AnnualCrop/AnnualCrop_13\.jpg"):
        load_dataset("eurosat", root=eurosat, shots=1)


def test_pictures_that_are_not_drawn_need_not_be_there(eurosat):
    drawn = load_dataset("eurosat", root=eurosat, shots=1)
    for path in set(drawn.unlabelled.paths) - set(drawn.train.keys):
        (eurosat / "eurosat" / "2750" / path).unlink()
    assert load_dataset("eurosat", root=eurosat, shots=1).train.stamp == drawn.train.stamp


def test_a_missing_class_folder_is_named(eurosat):
    shutil.rmtree(eurosat / "eurosat" / "2750" / "River")
    with pytest.raises(DataError, match=r"Whole folders are missing: River\."):
        load_dataset("eurosat", root=eurosat, shots=1)


def test_without_a_root_the_message_says_how_to_give_one():
    with pytest.raises(DataError, match="pass root="):
        load_dataset("eurosat")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": "eurosatt"}, UnknownNameError),
        ({"name": "eurosat", "templates": "clip"}, UnknownNameError),
        ({"name": "eurosat", "shots": 0}, ConfigError),
        ({"name": "eurosat", "seed": -1}, ConfigError),
        ({"name": "mini/textures", "templates": "tip7"}, ConfigError),
        ({"name": "mini/textures", "repeat": True}, ConfigError),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(eurosat, arguments, error):
    with pytest.raises(error):
        load_dataset(**arguments, root=eurosat)


def test_mini_names_go_to_the_embedded_data_sets_without_a_root(monkeypatch):
    asked = []
    stand_in = types.ModuleType("clipcompat.data.mini.datasets")
    stand_in.load_mini = lambda name, **arguments: asked.append((name, arguments))
    monkeypatch.setitem(sys.modules, "clipcompat.data.mini.datasets", stand_in)
    load_dataset("mini/textures", shots=4, seed=2)
    assert asked == [("mini/textures", {"shots": 4, "seed": 2, "indices": None})]


def test_names_are_listed():
    assert "eurosat" in dataset_names()


@pytest.mark.parametrize(("name", "classes", "test"), [("eurosat", 10, 800), ("caltech101", 100, 600)])
def test_real_images_load_and_open(shared_data, name, classes, test):
    data = load_dataset(name, root=shared_data / "coop", shots=16, seed=1)
    assert (len(data.classnames), len(data.train), len(data.test)) == (classes, 16 * classes, test)
    assert data.train.images[0].convert("RGB").size[0] >= 64
    assert len(data.train.stamp) == 16
