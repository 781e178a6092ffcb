from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.custom.from_folder import dataset_from_folder
from clipcompat.data.indices import export_indices
from tests.data.conftest import write_picture
from tests.reference.sampling import dassl_draw

FOLDERS = ("001.SeaLake", "002.polka_dotted", "003.forest")


def write_tree(root: Path, count: int = 20, start: int = 0, folders=FOLDERS) -> Path:
    for folder in folders:
        for i in range(start, start + count):
            write_picture(root / folder / f"{i}.jpg", i)
    return root


@pytest.fixture
def single(tmp_path) -> Path:
    return write_tree(tmp_path / "my pets")


@pytest.fixture
def parted(tmp_path) -> Path:
    for start, part in ((0, "train"), (20, "valid"), (40, "test")):
        write_tree(tmp_path / "pets" / part, 6, start)
    return tmp_path / "pets"


def test_a_tree_without_parts_is_divided_the_same_way_for_all_shots_and_seeds(single):
    data, other = (dataset_from_folder(single, shots=shots, seed=seed) for shots, seed in ((2, 1), (9, 7)))
    assert data.test.stamp == other.test.stamp and data.unlabelled.paths == other.unlabelled.paths
    assert (len(data.unlabelled), len(data.train), len(data.val), len(data.test)) == (30, 6, 6, 18)
    assert (data.shots, data.seed, other.seed) == (2, 1, 7)
    pool, test = set(data.unlabelled.paths), set(data.test.keys)
    assert set(data.train.keys) <= pool and not set(data.val.keys) & (pool | test) and not pool & test


def test_pictures_are_turned_as_their_exif_says_only_when_asked(single):
    plain, turned = (dataset_from_folder(single, shots=1, upright=upright) for upright in (False, True))
    key = plain.train.keys[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (40, 20)).save(single / key, exif=exif)
    assert (plain.train.images[0].size, turned.train.images[0].size) == ((40, 20), (20, 40))
    assert plain.train.stamp != turned.train.stamp and turned.test.images.upright


def test_renaming_a_class_moves_no_picture_to_another_part(single):
    before = dataset_from_folder(single, shots=1)
    (single / "003.forest").rename(single / "003.wood")
    after = dataset_from_folder(single, shots=1)
    assert after.test.keys == tuple(key.replace("forest", "wood") for key in before.test.keys)


def test_parts_that_are_there_are_taken_and_drawn_from_as_in_the_field(parted):
    data = dataset_from_folder(parted, shots=3, seed=2)
    lists = [
        [(f"{part}/{folder}/{i}.jpg", y) for y, folder in enumerate(FOLDERS) for i in sorted(map(str, numbers))]
        for part, numbers in (("train", range(6)), ("valid", range(20, 26)))
    ]
    train, val = dassl_draw(*lists, 3, 2)
    assert list(zip(data.train.keys, data.train.labels.tolist(), strict=True)) == train
    assert list(zip(data.val.keys, data.val.labels.tolist(), strict=True)) == val
    assert len(data.test) == 18 and all(key.startswith("test/") for key in data.test.keys)


def test_without_validation_it_comes_from_what_training_leaves(parted):
    shutil.rmtree(parted / "valid")
    data = dataset_from_folder(parted, shots=2)
    assert len(data.val) == 6 and not set(data.val.keys) & set(data.train.keys)
    assert all(key.startswith("train/") for key in data.val.keys)


def test_train_and_val_alone_mean_that_val_is_tested_on(parted, caplog):
    shutil.rmtree(parted / "test")
    data = dataset_from_folder(parted, shots=2)
    assert all(key.startswith("valid/") for key in data.test.keys) and "val is tested on" in caplog.text


def test_train_alone_is_divided(parted):
    for part in ("valid", "test"):
        shutil.rmtree(parted / part)
    data = dataset_from_folder(parted, shots=1)
    assert (len(data.unlabelled), len(data.test)) == (9, 6)


def test_a_class_may_be_called_train(tmp_path):
    data = dataset_from_folder(write_tree(tmp_path / "vehicles", folders=("bus", "train", "car")), shots=1)
    assert data.classnames == ("bus", "car", "train")


def test_class_names_are_cleaned_and_that_is_said(single, caplog):
    data = dataset_from_folder(single, shots=1)
    assert data.classnames == ("Sea Lake", "polka dotted", "forest")
    assert "folder/my-pets: 3 of 3 class names were cleaned: '001.SeaLake' → 'Sea Lake'" in caplog.text


def test_given_names_and_template_reach_every_split(single, caplog):
    names = dict(zip(FOLDERS, ("lake", "dots", "wood"), strict=True))
    data = dataset_from_folder(single, shots=1, names=names, template="{} seen from above.", name="lakes")
    assert all(s.classnames == ("lake", "dots", "wood") for s in (data.train, data.val, data.test))
    assert (data.test.template, data.name, data.test.name) == (
        "{} seen from above.",
        "folder/lakes",
        "folder/lakes/test",
    )
    assert caplog.text == ""


def test_the_default_template_is_a_photo(single):
    assert dataset_from_folder(single, shots=1).train.template == "a photo of a {}."


def test_several_templates_are_kept(single):
    assert dataset_from_folder(single, shots=1, template=["a {}.", "the {}."]).test.template == ("a {}.", "the {}.")


def test_stamps_tell_pictures_from_others_and_not_machines_from_machines(single, tmp_path):
    stamp = dataset_from_folder(single, shots=1).test.stamp
    moved = Path(shutil.copytree(single, tmp_path / "elsewhere" / "my pets"))
    assert dataset_from_folder(moved, shots=1).test.stamp == stamp
    write_picture(moved / dataset_from_folder(moved, shots=1).test.keys[0]).write_bytes(b"other")
    assert dataset_from_folder(moved, shots=1).test.stamp != stamp


def test_fewer_classes_keep_the_shots_of_the_whole_draw(single):
    data = dataset_from_folder(single, shots=2)
    assert data.base_classes().classnames == ("Sea Lake", "polka dotted")
    assert data.base_classes().train.keys == data.train.keys[:4] and len(data.new_classes().train) == 2
    assert data.subset(["forest"]).name.startswith("folder/my-pets[subset")


def test_a_drawn_list_gives_the_same_pictures_back(single, tmp_path):
    data = dataset_from_folder(single, shots=3, seed=9)
    again = dataset_from_folder(single, indices=export_indices(data, tmp_path / "drawn.json"))
    assert (again.train.stamp, again.val.stamp, again.shots, again.seed) == (data.train.stamp, data.val.stamp, 3, 9)


def test_a_drawn_list_without_training_pictures_is_refused(single):
    with pytest.raises(DataError, match="name no training image"):
        dataset_from_folder(single, indices={"train": [], "val": []})


def test_all_shots_take_everything(single):
    data = dataset_from_folder(single, shots="all")
    assert (len(data.train), len(data.val), data.shots) == (30, 12, None)


def test_files_that_are_no_pictures_are_told(single, caplog):
    (single / "labels.csv").write_text("x")
    dataset_from_folder(single, shots=1)
    assert "1 files are no pictures in class folders: labels.csv" in caplog.text


def test_more_shots_than_there_are_name_the_rule(single):
    with pytest.raises(DataError, match=r"11 shots were asked for, but .*'Sea Lake' has 10.*only about half"):
        dataset_from_folder(single, shots=11)


def test_a_class_with_fewer_may_give_what_it_has(parted):
    (parted / "train" / "003.forest" / "0.jpg").unlink()
    with pytest.raises(DataError, match="'forest' has 5"):
        dataset_from_folder(parted, shots=6)
    assert len(dataset_from_folder(parted, shots=6, allow_fewer=True).train) == 17


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: shutil.rmtree(root), "there is no folder"),
        (lambda root: shutil.rmtree(root / "test" / "003.forest"), r"but 1 are not in both: 003\.forest"),
        (lambda root: write_tree(root / "train", folders=("cow",)), r"not in both: cow \(cow only in train\)"),
        (lambda root: (root / "val").mkdir(), "val and valid are both the val part"),
        (lambda root: write_tree(root, folders=("extra",)), "beside the parts .* other folders: extra"),
        (lambda root: shutil.rmtree(root / "train"), "there are the parts test, valid, but no train"),
    ],
)
def test_trees_that_do_not_hold_together_are_refused(parted, spoil, said):
    spoil(parted)
    with pytest.raises(DataError, match=said):
        dataset_from_folder(parted, shots=1)


def test_a_test_part_that_is_a_link_to_val_is_refused(parted):
    shutil.rmtree(parted / "test")
    (parted / "test").symlink_to("valid")
    with pytest.raises(DataError, match="are one file or folder, by a link"):
        dataset_from_folder(parted, shots=1)


@pytest.mark.parametrize("other", ["valid/003.forest/x.jpg", "train/003.forest/x.jpg"])
def test_a_test_picture_that_is_a_hard_link_to_another_is_refused_with_both_names(parted, other):
    (parted / other).hardlink_to(parted / "test" / "003.forest" / "40.jpg")
    with pytest.raises(DataError, match=r"test/003\.forest/40\.jpg .*are one file") as caught:
        dataset_from_folder(parted, shots=1)
    assert other in str(caught.value)


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "eval"),
        ("train", "holdout", "dev"),
        ("train", "hold-out"),
        ("train", "query"),
        ("test", "eval"),
        ("seg_train", "seg_test", "seg_pred"),
        ("trainset", "testset"),
        ("cars_train", "cars_test"),
        ("Training Images", "Evaluation Images"),
        ("train2017", "val2017"),
        ("train", "seg_test"),
        ("support", "query"),
        ("train", "unlabelled"),
    ],
)
@pytest.mark.parametrize("depth", ["cat/1.jpg", "1.jpg", "cat+dog"])
def test_parts_of_other_names_never_become_classes(tmp_path, folders, depth):
    for part in folders:
        for name in ("cat", "dog") if "+" in depth else (depth,):
            write_tree(tmp_path / part, 20, folders=(name,) if "+" in depth else (Path(depth).parent,))
    with pytest.raises(DataError, match=r"named like parts.*Call the parts train, val and test"):
        dataset_from_folder(tmp_path, shots=1)


def test_parts_beside_other_folders_never_become_classes(tmp_path):
    for part in ("train", "eval", "notes"):
        write_tree(tmp_path / part, 3)
    with pytest.raises(DataError, match=r"3 of 3 folders hold no picture, but several.*Call parts train, val and test"):
        dataset_from_folder(tmp_path, shots=1)


def test_a_part_with_a_loose_picture_beside_its_classes_is_no_class(tmp_path):
    for part in ("train", "b"):
        write_tree(tmp_path / part, 6)
        write_picture(tmp_path / part / "overview.jpg")
    with pytest.raises(DataError, match=r"train is named like a part of a data set, and holds 001\.SeaLake, 002\."):
        dataset_from_folder(tmp_path, shots=1)


@pytest.mark.parametrize("folders", [("test tube", "train station"), ("query bus", "car"), ("поезд", "train")])
def test_classes_that_share_a_word_with_parts_are_classes(tmp_path, folders):
    assert len(dataset_from_folder(write_tree(tmp_path / "things", folders=folders), shots=1).classnames) == 2


@pytest.mark.parametrize(
    "arguments", [{"template": "a photo."}, {"template": []}, {"template": 5}, {"shots": 0}, {"seed": -1}]
)
def test_arguments_that_cannot_be_meant_are_refused(single, arguments):
    with pytest.raises(ConfigError):
        dataset_from_folder(single, **arguments)
