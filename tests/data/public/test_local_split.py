from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.load import load_dataset
from clipcompat.data.public.layout import LAYOUTS, find_layout
from clipcompat.data.public.local_split import write_own_split
from clipcompat.data.public.split_zhou import is_own_split, read_split
from tests.data.conftest import CLASSES
from tests.reference.own_split import fifths, halves


def touch(folder: Path, paths: list[str]) -> list[str]:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return paths


def parts(path: Path) -> dict[str, list[list]]:
    """The three lists of a written file, and nothing else."""
    content = json.loads(path.read_text())
    assert set(content) == {"train", "val", "test", "own_split"}
    return {part: content[part] for part in ("train", "val", "test")}


@pytest.mark.parametrize("seed", [1, 7])
def test_folders_are_split_in_half_a_fifth_and_the_rest_by_upstreams_shuffle(tmp_path, seed):
    names = {f: n.replace("_", " ") for f, n in CLASSES.items()}
    groups = []
    for label, (name, words) in enumerate(sorted(names.items())):
        paths = touch(tmp_path / "2750", [f"{name}/{name}_{n}.jpg" for n in range(11 + label)])
        groups.append((label, words, sorted(paths)))
    written = write_own_split(find_layout("eurosat"), tmp_path, seed)
    assert written == tmp_path / "split_zhou_EuroSAT.json" and parts(written) == halves(groups, seed)
    assert {path.name for path in tmp_path.iterdir()} == {"2750", written.name}


def test_what_is_no_picture_of_the_data_set_is_in_no_own_split(tmp_path):
    for name in ("Forest", "River"):
        touch(tmp_path / "2750", [f"{name}/{n}.jpg" for n in range(10)])
    plain = write_own_split(find_layout("eurosat"), tmp_path)
    before = plain.read_bytes()
    plain.unlink()
    junk = ["__MACOSX/1.jpg", "@eaDir/1.jpg", ".cache/1.jpg", "Forest/@eaDir/1.jpg/M.jpg", "Forest/._1.jpg"]
    touch(tmp_path / "2750", [*junk, "Forest/Thumbs.db", "River/desktop.ini", "River/notes.txt"])
    assert write_own_split(find_layout("eurosat"), tmp_path).read_bytes() == before


def test_an_own_split_has_no_picture_twice(tmp_path):
    for name in ("Forest", "River"):
        touch(tmp_path / "2750", [f"{name}/{n}.jpg" for n in range(10)])
    (tmp_path / "2750" / "River" / "again.jpg").hardlink_to(tmp_path / "2750" / "River" / "1.jpg")
    with pytest.raises(DataError, match=r"River/1\.jpg and River/again\.jpg are one file"):
        write_own_split(find_layout("eurosat"), tmp_path)


def test_caltechs_background_and_easy_faces_are_left_out_and_four_classes_renamed(tmp_path):
    for name in ("BACKGROUND_Google", "Faces_easy", "Faces", "airplanes", "Motorbikes", "Leopards", "ant"):
        touch(tmp_path / "101_ObjectCategories", [f"{name}/image_{n:04d}.jpg" for n in range(10)])
    split = read_split(write_own_split(find_layout("caltech101"), tmp_path))
    names = ["face", "leopard", "motorbike", "airplane", "ant"]
    assert {label: name for _, label, name in split["test"]} == dict(enumerate(names))


def test_flowers_are_split_by_their_labels_in_order_of_appearance(tmp_path):
    labels = [2, 1] * 10 + [2] * 3
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([labels], dtype=np.uint8)})
    (tmp_path / "cat_to_name.json").write_text(json.dumps({"1": "pink primrose", "2": "hard-leaved pocket orchid"}))
    files = [(label, f"image_{number:05d}.jpg") for number, label in enumerate(labels, 1)]
    groups = [
        (1, "hard-leaved pocket orchid", [file for label, file in files if label == 2]),
        (0, "pink primrose", [file for label, file in files if label == 1]),
    ]
    assert parts(write_own_split(find_layout("flowers"), tmp_path)) == halves(groups, 1)


def test_pets_keep_the_official_test_list(tmp_path):
    (tmp_path / "annotations").mkdir()
    breeds = ((2, "Great_Pyrenees"), (1, "Abyssinian"))
    trainval = [(f"{breed}_{n}", label) for n in range(10) for label, breed in breeds]
    test = [("Abyssinian_90", 1), ("Great_Pyrenees_91", 2)]
    for file, rows in (("trainval.txt", trainval), ("test.txt", test)):
        (tmp_path / "annotations" / file).write_text("".join(f"{name} {label} 1 1\n" for name, label in rows))
    as_entries = [
        [[f"{name}.jpg", label - 1, name.rpartition("_")[0].lower()] for name, label in rows]
        for rows in (trainval, test)
    ]
    assert parts(write_own_split(find_layout("pets"), tmp_path, 3)) == fifths(*as_entries, 3)


def test_cars_have_the_year_in_front_of_their_names(tmp_path):
    names = np.array([["Acura TL Sedan 2012", "BMW M3 Coupe 2012"]], dtype=object)
    (tmp_path / "devkit").mkdir()
    savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": names})
    for file, count in (("devkit/cars_train_annos.mat", 10), ("cars_test_annos_withlabels.mat", 4)):
        rows = np.zeros((1, count), dtype=[("class", object), ("fname", object)])
        for n in range(count):
            rows[0, n] = (np.array([[1 + n % 2]]), f"{n + 1:05d}.jpg")
        savemat(tmp_path / file, {"annotations": rows})
    split = read_split(write_own_split(find_layout("cars"), tmp_path))
    two = ("2012 Acura TL Sedan", "2012 BMW M3 Coupe")
    assert split["test"] == [(f"cars_test/{n + 1:05d}.jpg", n % 2, two[n % 2]) for n in range(4)]
    assert (len(split["train"]), len(split["val"])) == (8, 2)
    assert {path for path, _, _ in split["train"] + split["val"]} == {f"cars_train/{n:05d}.jpg" for n in range(1, 11)}


def test_scenes_are_named_indoor_and_outdoor_first(tmp_path):
    (tmp_path / "ClassName.txt").write_text("/a/abbey\n/a/apartment_building/outdoor\n")
    for file, count in (("Training_01.txt", 5), ("Testing_01.txt", 2)):
        two = ("apartment_building/outdoor", "abbey")
        pictures = [f"{name}/sun_{file[:2]}{n}.jpg" for n in range(count) for name in two]
        (tmp_path / file).write_text("".join(f"/a/{picture}\n" for picture in pictures))
    split = read_split(write_own_split(find_layout("sun397"), tmp_path))
    flat = ("a/apartment_building/outdoor/sun_Te0.jpg", 1, "outdoor apartment_building")
    assert split["test"][:2] == [flat, ("a/abbey/sun_Te0.jpg", 0, "abbey")]
    assert (len(split["train"]), len(split["val"])) == (8, 2)


def test_actions_are_written_in_words_and_their_videos_as_pictures(tmp_path):
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 ApplyEyeMakeup\n2 YoYo\n")
    lines = [f"{name}/v_{name}_g{n:02d}_c01.avi" for n in range(5) for name in ("YoYo", "ApplyEyeMakeup")]
    (lists / "trainlist01.txt").write_text("".join(f"{line} 1\n" for line in lines))
    (lists / "testlist01.txt").write_text("ApplyEyeMakeup/v_ApplyEyeMakeup_g09_c01.avi\n")
    split = read_split(write_own_split(find_layout("ucf101"), tmp_path))
    assert split["test"] == [("Apply_Eye_Makeup/v_ApplyEyeMakeup_g09_c01.jpg", 0, "Apply_Eye_Makeup")]
    assert Counter(label for _, label, _ in split["train"]) == {0: 4, 1: 4}


@pytest.mark.parametrize("name", ["caltech101", "dtd"])
def test_own_splits_of_the_real_pictures_have_the_published_names_and_sizes(tmp_path, shared_data, name):
    layout = find_layout(name)
    published = read_split(shared_data / "splits" / layout.split_file)
    touch(tmp_path / layout.image_root, [path for items in published.values() for path, _, _ in items])
    own = read_split(write_own_split(layout, tmp_path))
    for part in ("train", "val", "test"):
        assert Counter(i[1:] for i in own[part]) == Counter(i[1:] for i in published[part]), part
        assert own[part] != published[part]


def test_a_data_set_that_brings_its_lists_needs_no_own_split(tmp_path):
    without = [layout for layout in LAYOUTS if layout.reader != "json"]
    assert len(without) == 6
    for layout in without:
        with pytest.raises(ConfigError, match=f"{layout.name} needs no own split"):
            write_own_split(layout, tmp_path)


def test_a_split_that_is_there_is_not_replaced(eurosat):
    before = (eurosat / "eurosat" / "split_zhou_EuroSAT.json").read_bytes()
    with pytest.raises(DataError, match="is there already and is not replaced"):
        write_own_split(find_layout("eurosat"), eurosat / "eurosat")
    assert (eurosat / "eurosat" / "split_zhou_EuroSAT.json").read_bytes() == before


def test_a_class_with_too_few_pictures_is_named_and_nothing_written(tmp_path):
    touch(tmp_path / "images", ["banded/1.jpg", "banded/2.jpg"])
    with pytest.raises(DataError, match="class 'banded' has 2 pictures, too few"):
        write_own_split(find_layout("dtd"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"trainval\.txt cannot be read: No such file.* An own split needs this official list"),
        (b"\xff\xfe", r"trainval\.txt is not a text file in UTF-8.* An own split needs this official list"),
        (b"Abyssinian_1\n", "do not hold together"),
        (b"Abyssinian_1 one 1 1\n", "do not hold together"),
    ],
)
def test_official_lists_that_are_missing_or_damaged_are_a_sentence(tmp_path, content, said):
    (tmp_path / "annotations").mkdir()
    if content is not None:
        (tmp_path / "annotations" / "trainval.txt").write_bytes(content)
    with pytest.raises(DataError, match=said):
        write_own_split(find_layout("pets"), tmp_path)
    assert not list(tmp_path.glob("*.json")) and not list(tmp_path.glob(".*.json*"))


def test_a_split_says_that_it_is_an_own_one_and_the_data_set_carries_it_on(eurosat, caplog):
    folder = eurosat / "eurosat"
    assert not is_own_split(folder / "split_zhou_EuroSAT.json")
    assert load_dataset("eurosat", root=eurosat, shots=1).own_split is False
    (folder / "split_zhou_EuroSAT.json").unlink()
    assert is_own_split(write_own_split(find_layout("eurosat"), folder))
    data = load_dataset("eurosat", root=eurosat, shots=1)
    assert data.own_split and data.base_classes().own_split and data.subset(["Forest"]).own_split
    assert "eurosat: an own split, not the published one" in caplog.text
