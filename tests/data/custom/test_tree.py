from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.custom.tree import Walk
from clipcompat.data.public.folders import check_once
from tests.data.conftest import write_picture


@pytest.fixture
def root(tmp_path) -> Path:
    for name in ("cat/2.jpg", "cat/deep/er/1.JPG", "dog/1.jpg"):
        write_picture(tmp_path / "tree" / name)
    return tmp_path / "tree"


def test_pictures_lie_anywhere_below_their_class_folder(root):
    assert Walk(root).classes() == {"cat": ["cat/2.jpg", "cat/deep/er/1.JPG"], "dog": ["dog/1.jpg"]}


def test_what_is_no_picture_is_left_out_and_remembered(root):
    for name in ("labels.csv", "cat/notes.txt"):
        (root / name).write_text("x")
    walk = Walk(root)
    assert sum(map(len, walk.classes().values())) == 3
    assert walk.left_out == ["labels.csv", "cat/notes.txt"]


def test_what_desktops_leave_counts_nowhere(root):
    for name in (".git/1.jpg", "__MACOSX/cat/._2.jpg", "cat/@eaDir/2.jpg/M.jpg", "cat/._2.jpg", "dog/.thumbs/1.jpg"):
        write_picture(root / name)
    for name in ("desktop.ini", "dog/Thumbs.db", "dog/.DS_Store"):
        (root / name).write_text("x")
    walk = Walk(root)
    assert walk.classes() == {"cat": ["cat/2.jpg", "cat/deep/er/1.JPG"], "dog": ["dog/1.jpg"]} and not walk.left_out


@pytest.mark.parametrize("inside", ["", "images/", "a/b/"])
def test_a_folder_of_folders_of_pictures_is_no_class(root, inside):
    for name in ("eval/{}cat/1.jpg", "eval/{}dog/1.jpg"):
        write_picture(root / name.format(inside))
    with pytest.raises(DataError, match=rf"1 of 3 folders .* eval does \(eval/{inside}cat, eval/{inside}dog\).*CLASS/"):
        Walk(root).classes()


def test_a_class_whose_pictures_lie_in_one_folder_below_it_is_one(root):
    write_picture(root / "cow" / "images" / "1.jpg")
    (root / "cow" / "notes").mkdir()
    assert Walk(root).classes()["cow"] == ["cow/images/1.jpg"]


def test_links_are_followed(root, tmp_path):
    write_picture(tmp_path / "elsewhere" / "cow.jpg")
    (root / "cow").symlink_to(tmp_path / "elsewhere")
    assert Walk(root).classes()["cow"] == ["cow/cow.jpg"]


@pytest.mark.parametrize("target", ["..", "../..", "../../..", "."])
def test_a_link_in_a_circle_is_refused(root, target):
    (root / "cat" / "loop").symlink_to(target)
    with pytest.raises(DataError, match="cat/loop is a link to a folder that holds it"):
        Walk(root).classes()


def test_a_link_to_itself_is_refused(root):
    (root / "cat" / "self.jpg").symlink_to("self.jpg")
    with pytest.raises(DataError, match=r"self\.jpg"):
        Walk(root).classes()


def test_a_link_to_nothing_is_refused(root):
    (root / "cat" / "3.jpg").symlink_to("gone.jpg")
    with pytest.raises(DataError, match=r"3\.jpg is no file and no folder"):
        Walk(root).classes()


@pytest.mark.parametrize("link", ["dog/same.jpg", "pup", "dog/hard.jpg"])
def test_a_picture_that_is_reached_twice_is_refused(root, link):
    if "hard" in link:
        (root / link).hardlink_to(root / "dog/1.jpg")
    else:
        (root / link).symlink_to(root / ("dog/1.jpg" if "." in link else "dog"))
    found = [key for keys in Walk(root).classes().values() for key in keys]
    with pytest.raises(DataError, match=rf"dog/1\.jpg and {link}.* are one file.*Remove one of them\."):
        check_once(root, found)


def test_a_name_that_is_not_utf8_is_refused(root):
    try:
        write_picture(Path(os.fsdecode(os.fsencode(root / "cat") + b"/caf\xe9.jpg")))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match=r"'caf\\udce9\.jpg' is not UTF-8"):
        Walk(root).classes()


def test_an_empty_class_folder_is_named(root):
    (root / "cow").mkdir()
    with pytest.raises(DataError, match="in 1 of 3 class folders: cow"):
        Walk(root).classes()


def test_pictures_without_class_folders_are_told(tmp_path):
    write_picture(tmp_path / "1.jpg")
    with pytest.raises(DataError, match=r"expected one folder for each class.*1\.jpg"):
        Walk(tmp_path).classes()


def test_a_single_folder_is_told(tmp_path):
    write_picture(tmp_path / "images" / "cat" / "1.jpg")
    with pytest.raises(DataError, match=r"one class folder only \(images\)"):
        Walk(tmp_path).classes()
