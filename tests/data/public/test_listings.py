from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.load import load_dataset
from clipcompat.data.public.layout import find_layout
from clipcompat.data.public.listings import read_listing
from tests.data.conftest import write_picture

WNIDS = {"n01440764": "tench", "n01443537": "goldfish", "n04008634": "missile", "n03773504": "missile"}
NAMES = "".join(f"{wnid} {name}\n" for wnid, name in sorted(WNIDS.items()))


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Four classes, two of one name; seven training and two validation pictures each."""
    folder = tmp_path / "imagenet"
    for wnid in reversed(WNIDS):
        for number in reversed(range(7)):
            write_picture(folder / "images" / "train" / wnid / f"{wnid}_{number}.JPEG")
        for number in range(2):
            write_picture(folder / "images" / "val" / wnid / f"val_{wnid}_{number}.JPEG")
    (folder / "images" / "train" / "n01440764" / "readme.txt").write_text("no picture")
    (folder / "images" / "train" / ".cache").mkdir()
    (folder / "classnames.txt").write_text(NAMES)
    return tmp_path


def test_imagenet_folders_are_classes_in_sorted_order(imagenet):
    split = read_listing(find_layout("imagenet"), imagenet / "imagenet")
    assert split["train"][0] == ("train/n01440764/n01440764_0.JPEG", 0, "tench")
    assert [label for _, label, _ in split["train"]] == sorted([0, 1, 2, 3] * 7)
    assert [(path.split("/")[1], label) for path, label, _ in split["test"]][::2] == list(
        zip(sorted(WNIDS), range(4), strict=True)
    )
    assert split["val"] == []


def test_what_desktops_leave_is_no_class_and_no_picture(imagenet):
    before = read_listing(find_layout("imagenet"), imagenet / "imagenet")
    images = imagenet / "imagenet" / "images"
    for name in ("train/@eaDir/1.jpg", "val/__MACOSX/1.jpg", "val/n01440764/._1.JPEG", "train/n01440764/.x/1.jpg"):
        write_picture(images / name)
    assert read_listing(find_layout("imagenet"), imagenet / "imagenet") == before


def test_imagenet_tests_on_its_val_folder_and_validates_on_left_over_training_images(imagenet):
    data = load_dataset("imagenet", root=imagenet, shots=2)
    assert data.classnames == ("tench", "goldfish", "missile", "missile")
    assert {key.split("/")[0] for key in data.test.keys} == {"val"} and len(data.test) == 8
    assert {key.split("/")[0] for key in data.train.keys + data.val.keys} == {"train"}
    assert len(data.train) == len(data.val) == 8 and not set(data.train.keys) & set(data.val.keys)
    assert data.train.images[0].size == (8, 8)


def test_an_imagenet_draw_travels_as_a_list(imagenet):
    data = load_dataset("imagenet", root=imagenet, shots=2, seed=5)
    again = load_dataset("imagenet", root=imagenet, indices=data.indices)
    assert (again.train.stamp, again.val.stamp, again.shots) == (data.train.stamp, data.val.stamp, 2)


def test_train_and_val_need_the_same_classes(imagenet):
    write_picture(imagenet / "imagenet" / "images" / "train" / "n01484850" / "a.JPEG")
    with open(imagenet / "imagenet" / "classnames.txt", "w") as stream:
        stream.write("".join(sorted([*NAMES.splitlines(True), "n01484850 great white shark\n"])))
    with pytest.raises(DataError, match="in one of them only: n01484850"):
        load_dataset("imagenet", root=imagenet)


def test_a_class_without_pictures_is_named(imagenet):
    for picture in (imagenet / "imagenet" / "images" / "val" / "n01443537").iterdir():
        picture.unlink()
    with pytest.raises(DataError, match="no picture of class 'goldfish' is there"):
        load_dataset("imagenet", root=imagenet)


def test_a_missing_train_folder_is_named(imagenet):
    (imagenet / "imagenet" / "images" / "train").rename(imagenet / "elsewhere")
    with pytest.raises(DataError, match="train cannot be listed: No such file"):
        load_dataset("imagenet", root=imagenet)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "WordNet ids in sorted order"),
        ("".join(reversed(NAMES.splitlines(True))), "WordNet ids in sorted order"),
        ("n01440764\n", r'line 1: expected "<WordNet id> <class name>".*got \'n01440764\''),
        (NAMES + NAMES, "line 5: expected"),
        ("n01440764 tench\n", "folder's name is not in classnames.txt"),
        (b"\xff\xfe", "is not a text file in UTF-8"),
    ],
)
def test_class_names_that_cannot_be_right_are_refused(imagenet, content, said):
    path = imagenet / "imagenet" / "classnames.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=said):
        load_dataset("imagenet", root=imagenet)


def test_a_byte_order_mark_in_front_of_the_class_names_is_no_part_of_them(imagenet):
    plain = load_dataset("imagenet", root=imagenet, shots=1).classnames
    path = imagenet / "imagenet" / "classnames.txt"
    path.write_text("\ufeff" + path.read_text())
    assert load_dataset("imagenet", root=imagenet, shots=1).classnames == plain


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("imagenet_a", "imagenet-adversarial/imagenet-a"),
        ("imagenet_r", "imagenet-rendition/imagenet-r"),
        ("imagenet_sketch", "imagenet-sketch/images"),
    ],
)
def test_shifted_sets_number_the_classes_they_have_and_are_for_testing_only(tmp_path, name, inside):
    for wnid in ("n04008634", "n01443537"):
        write_picture(tmp_path / inside / wnid / "a.jpg")
    (tmp_path / inside / "README.txt").write_text("no class")
    (tmp_path / inside).parent.joinpath("classnames.txt").write_text(NAMES)
    data = load_dataset(name, root=tmp_path)
    assert data.classnames == ("goldfish", "missile")
    assert data.test.keys == ("n01443537/a.jpg", "n04008634/a.jpg") and data.test.labels.tolist() == [0, 1]
    assert len(data.train) == len(data.val) == len(data.unlabelled) == 0
    assert (data.shots, data.seed) == (None, None)


@pytest.fixture
def shifted(tmp_path: Path) -> Path:
    """The image root of an ImageNet-R of two classes."""
    root = tmp_path / "imagenet-rendition" / "imagenet-r"
    for wnid in ("n01440764", "n01443537"):
        write_picture(root / wnid / "a.jpg")
    (root.parent / "classnames.txt").write_text(NAMES)
    return root


@pytest.mark.parametrize(
    ("link", "to", "said"),
    [
        ("n03773504", "n03773504", "n03773504 leads nowhere: Too many levels of symbolic links"),
        ("n03773504", ".", "n03773504 is a link to the folder of all classes"),
        ("n03773504", "n01443537", "n03773504 is a link to n01443537, so its pictures would count twice"),
        ("n01443537/n01443537", "..", None),
        ("n03773504", "nowhere", None),
    ],
    ids=["itself", "the root", "another class", "inside a class", "nowhere"],
)
def test_links_among_the_folders_end_and_count_no_picture_twice(shifted, link, to, said):
    (shifted / link).symlink_to(to)
    if said is None:
        assert len(load_dataset("imagenet_r", root=shifted.parents[1]).test) == 2
        return
    with pytest.raises(DataError, match=said):
        load_dataset("imagenet_r", root=shifted.parents[1])


@pytest.mark.parametrize("link", ["val", "val/n01443537"])
def test_imagenets_validation_pictures_are_no_link_to_its_training_pictures(tmp_path, link):
    images = tmp_path / "imagenet" / "images"
    for wnid in ("n01440764", "n01443537"):
        for part in ("train", "val"):
            write_picture(images / part / wnid / "a.jpg")
    (images.parent / "classnames.txt").write_text(NAMES)
    load_dataset("imagenet", root=tmp_path, shots=1)
    shutil.rmtree(images / link)
    (images / link).symlink_to(images / link.replace("val", "train"))
    with pytest.raises(DataError, match="train/n0144.* and val/n0144.* are one file or folder.*Unpack both"):
        load_dataset("imagenet", root=tmp_path, shots=1)


def test_a_class_folder_may_be_a_link_to_elsewhere(shifted, tmp_path):
    (shifted / "n01443537").rename(tmp_path / "elsewhere")
    (shifted / "n01443537").symlink_to(tmp_path / "elsewhere")
    assert len(load_dataset("imagenet_r", root=shifted.parents[1]).test) == 2


@pytest.mark.parametrize("name", [b"n01443537/caf\xe9.jpg", b"n0144\xff/a.jpg"])
def test_names_on_disk_that_are_no_utf_8_are_refused(shifted, name):
    path = os.path.join(os.fsencode(shifted), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        open(path, "wb").close()
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    with pytest.raises(DataError, match=r"the name '.*\\udc.*' is not UTF-8, so it would not be the same on every"):
        load_dataset("imagenet_r", root=shifted.parents[1])


@pytest.fixture
def imagenetv2(tmp_path: Path) -> Path:
    for label in range(4):
        write_picture(tmp_path / "imagenetv2/imagenetv2-matched-frequency-format-val" / str(label) / "a.jpeg")
    (tmp_path / "imagenetv2" / "classnames.txt").write_text(NAMES)
    return tmp_path


def test_numbered_folders_are_labels_into_the_sorted_class_names(imagenetv2):
    data = load_dataset("imagenetv2", root=imagenetv2)
    assert data.classnames == ("tench", "goldfish", "missile", "missile")
    assert data.test.keys == ("0/a.jpeg", "1/a.jpeg", "2/a.jpeg", "3/a.jpeg")
    assert data.test.labels.tolist() == [0, 1, 2, 3]


def test_numbered_folders_must_be_all_there(imagenetv2):
    root = imagenetv2 / "imagenetv2/imagenetv2-matched-frequency-format-val"
    (root / "2").rename(root / "two")
    with pytest.raises(DataError, match=r"expected the folders 0 … 3, .*missing: 2; not expected: two\."):
        load_dataset("imagenetv2", root=imagenetv2)


def test_two_hundred_classes_of_imagenet_a_and_r_are_the_published_ones(tmp_path, shared_data):
    names = (shared_data / "splits" / "imagenet_classnames.txt").read_text()
    a = (shared_data / "splits" / "imagenet_a_wnids_idx1000_idx200.txt").read_text().splitlines()
    for line in a:
        (tmp_path / "imagenet-adversarial/imagenet-a" / line.split()[0]).mkdir(parents=True)
        (tmp_path / "imagenet-adversarial/imagenet-a" / line.split()[0] / "a.jpg").touch()
    (tmp_path / "imagenet-adversarial" / "classnames.txt").write_text(names)
    data = load_dataset("imagenet_a", root=tmp_path)
    thousand = [line.split(" ", 1)[1] for line in names.splitlines()]
    assert len(data.classnames) == 200
    for line in a:
        wnid, in_thousand, label = line.split()
        assert data.test.keys[int(label)] == f"{wnid}/a.jpg"
        assert data.classnames[int(label)] == thousand[int(in_thousand)]


@pytest.fixture
def aircraft(tmp_path: Path) -> Path:
    folder, number = tmp_path / "fgvc_aircraft", 0
    folder.mkdir()
    (folder / "variants.txt").write_text("707-320\nBoeing 717\nF-16A/B\n")
    for part, each in (("train", 3), ("val", 2), ("test", 1)):
        lines = []
        for _ in range(each):
            for name in ("F-16A/B", "Boeing 717", "707-320"):
                number += 1
                write_picture(folder / "images" / f"{number:07d}.jpg")
                lines.append(f"{number:07d} {name}\n")
        (folder / f"images_variant_{part}.txt").write_text("".join(lines))
    return tmp_path


def test_aircraft_labels_are_lines_of_the_variants(aircraft):
    data = load_dataset("FGVCAircraft", root=aircraft, shots=2)
    assert data.classnames == ("707-320", "Boeing 717", "F-16A/B")
    assert data.test.keys == ("0000016.jpg", "0000017.jpg", "0000018.jpg")
    assert data.test.labels.tolist() == [2, 1, 0]
    assert data.train.labels.tolist() == data.val.labels.tolist() == [2, 2, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("images_variant_val.txt", "0000010 F-16\n", r'val.txt, line 1: expected "<image id> <variant name>"'),
        ("images_variant_val.txt", "0000010\n", "line 1: expected"),
        ("images_variant_val.txt", "../0000010 F-16A/B\n", "leaves the image root"),
        ("images_variant_val.txt", "0000001 F-16A/B\n", "0000001.jpg is listed in 'train' and in 'val'"),
        ("images_variant_val.txt", "9999999 F-16A/B\n", "1 of the 10 pictures needed are not in .*: 9999999.jpg"),
        ("images_variant_train.txt", "0000001 F-16A/B\n", "without training images: 707-320, Boeing 717"),
        ("images_variant_test.txt", "", "test images: 0"),
        ("variants.txt", "F-16A/B\nF-16A/B\n", "one variant per line, each once"),
    ],
)
def test_aircraft_lists_that_cannot_be_right_are_refused(aircraft, file, content, said):
    (aircraft / "fgvc_aircraft" / file).write_text(content)
    with pytest.raises(DataError, match=said):
        load_dataset("fgvc_aircraft", root=aircraft, shots=2)


def test_a_missing_aircraft_list_is_named(aircraft):
    (aircraft / "fgvc_aircraft" / "images_variant_test.txt").unlink()
    with pytest.raises(DataError, match=r"images_variant_test\.txt cannot be read: No such file"):
        load_dataset("fgvc_aircraft", root=aircraft, shots=2)
