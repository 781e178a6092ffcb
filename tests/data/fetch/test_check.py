from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat.data.fetch import check as checking
from clipcompat.data.fetch.check import check_dataset
from clipcompat.data.pictures import opening
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.public.layout import find_layout
from clipcompat.data.public.local_split import write_own_split
from tests.data.conftest import write_picture

NOT_PUBLISHED = "split_zhou_EuroSAT.json is not, byte for byte, the file that is published under this name."


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """EuroSAT is complete with the pictures of the fixture `eurosat`."""
    sizes = replace(find_layout("eurosat"), train_size=60, test_size=30)
    monkeypatch.setattr(checking, "find_layout", lambda name: sizes if name == "eurosat" else find_layout(name))


def test_a_complete_data_set_has_no_problems_and_every_picture_was_opened(eurosat):
    found = check_dataset("eurosat", eurosat)
    assert found == checking.Check("eurosat", 10, 60, 50, 30, decoded=140, notes=(NOT_PUBLISHED,))


def test_everything_that_is_wrong_is_said_at_once(eurosat):
    root = eurosat / "eurosat" / "2750"
    (root / "AnnualCrop" / "AnnualCrop_3.jpg").unlink()
    (root / "AnnualCrop" / "AnnualCrop_1.jpg").unlink()
    shutil.rmtree(root / "River")
    (root / "Forest" / "Forest_15.jpg").write_bytes(b"")
    half = (root / "Forest" / "Forest_16.jpg").read_bytes()
    (root / "Forest" / "Forest_16.jpg").write_bytes(half[: len(half) // 2])
    found = check_dataset("eurosat", eurosat)
    assert found.problems[:3] == (
        "River/ is not there, with 14 pictures.",
        "AnnualCrop/AnnualCrop_1.jpg is not there.",
        "AnnualCrop/AnnualCrop_3.jpg is not there.",
    )
    assert len(found.problems) == 5 and found.decoded == 140 - 14 - 2 - 2
    assert all("cannot be decoded" in sentence for sentence in found.problems[3:])
    assert "Forest_15.jpg" in found.problems[3] and "Forest_16.jpg" in found.problems[4]


def test_a_fast_check_opens_no_picture(eurosat, monkeypatch):
    monkeypatch.setattr(ImageFiles, "__getitem__", lambda *a: pytest.fail("opened"))
    assert check_dataset("eurosat", eurosat, fast=True).decoded == 0
    (eurosat / "eurosat" / "2750" / "Forest" / "Forest_15.jpg").unlink()
    assert check_dataset("eurosat", eurosat, fast=True).problems == ("Forest/Forest_15.jpg is not there.",)


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_finds_the_same_in_the_same_order(eurosat, workers, monkeypatch):
    monkeypatch.setattr(opening, "_AT_ONCE", 9)
    for number in (15, 17, 21):
        (eurosat / "eurosat" / "2750" / "Forest" / f"Forest_{number}.jpg").write_bytes(b"no picture")
    seen = []
    found = check_dataset("eurosat", eurosat, workers=workers, progress=lambda *told: seen.append(told))
    assert [sentence.split("Forest_")[1][:2] for sentence in found.problems] == ["15", "17", "21"]
    assert [done for done, _, _ in seen] == list(range(1, 141))
    assert seen[-1] == (140, 140, "pictures of eurosat")


def test_a_part_of_a_data_set_is_not_the_data_set(shared_data):
    found = check_dataset("caltech101", shared_data / "coop", fast=True)
    assert found.problems == (
        "1,600 training pictures in its lists; the complete data set has 4,128.",
        "600 test pictures in its lists; the complete data set has 2,465.",
    )


def test_every_real_picture_opens(shared_data):
    counts = {name: check_dataset(name, shared_data / "coop").decoded for name in ("caltech101",)}
    assert counts == {"caltech101": 2400}


def test_a_published_split_is_told_from_another(eurosat, shared_data):
    shutil.copy(shared_data / "splits" / "split_zhou_EuroSAT.json", eurosat / "eurosat")
    found = check_dataset("eurosat", eurosat, fast=True)
    assert found.notes == () and (found.train, found.test) == (13_500, 8_100)


def test_an_own_split_is_noted(eurosat):
    (eurosat / "eurosat" / "split_zhou_EuroSAT.json").unlink()
    write_own_split(find_layout("eurosat"), eurosat / "eurosat")
    assert "was made here (an own split)" in check_dataset("eurosat", eurosat, fast=True).notes[0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "eurosat is expected in"),
        (lambda folder: (folder / "split_zhou_EuroSAT.json").unlink(), "none is made up in its place"),
        (lambda folder: (folder / "split_zhou_EuroSAT.json").write_text("{"), "is not JSON"),
        (lambda folder: shutil.rmtree(folder / "2750"), "the pictures of eurosat are expected in"),
    ],
)
def test_a_layout_that_is_wrong_is_the_only_problem(eurosat, spoil, said):
    spoil(eurosat / "eurosat")
    (problem,) = check_dataset("eurosat", eurosat).problems
    assert said in problem


def test_links_that_lead_to_themselves_are_reported_and_end(eurosat):
    root = eurosat / "eurosat" / "2750"
    shutil.rmtree(root / "River")
    os.symlink("River", root / "River")
    (root / "Forest" / "Forest_15.jpg").unlink()
    os.symlink("Forest_15.jpg", root / "Forest" / "Forest_15.jpg")
    os.symlink(".", root / "Forest" / "again")
    problems = check_dataset("eurosat", eurosat).problems
    assert problems[0] == "River/ is not there, with 14 pictures."
    assert "Forest_15.jpg" in problems[1] and "Too many levels of symbolic links" in problems[1] and len(problems) == 2


def test_a_data_set_of_folders_is_checked_too(tmp_path):
    for wnid in ("n01443537", "n04008634"):
        write_picture(tmp_path / "imagenet-rendition" / "imagenet-r" / wnid / "a.jpg")
    names = tmp_path / "imagenet-rendition" / "classnames.txt"
    names.write_text("n01443537 goldfish\nn04008634 missile\n")
    found = check_dataset("imagenet_r", tmp_path)
    assert found.decoded == 2 and found.problems == (
        "2 classes in its lists; the complete data set has 200.",
        "2 test pictures in its lists; the complete data set has 30,000.",
    )


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'eurosat'"):
        check_dataset("eurosatt", tmp_path)


def test_a_picture_that_two_lists_name_counts_once(eurosat, split):
    split["val"] = []
    (eurosat / "eurosat" / "split_zhou_EuroSAT.json").write_text(json.dumps(split))
    found = check_dataset("eurosat", eurosat)
    assert found.decoded == 90 and any("no validation list" in note for note in found.notes)
