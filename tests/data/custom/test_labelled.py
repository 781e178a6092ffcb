"""A table beside pictures gives them their classes, or says where the two do not match."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.custom.labelled import labelled_pictures
from tests.toys import toy_split


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    images = toy_split("train", 2).images
    for i in range(4):
        images[i].save(folder / ("more" if i % 2 else ".") / f"{i}.png")
    return folder


def table(folder, *lines):
    file = folder.parent / "labels.csv"
    file.write_text("\n".join(["path,classname", *lines]), encoding="utf-8")
    return file


def test_pictures_get_the_classes_of_the_table(folder, caplog):
    file = table(folder, "more/1.png,red_fox", "0.png,owl", "more/3.png,owl")
    split = labelled_pictures([folder], file)
    assert [split.classnames[i] for i in split.labels] == ["red fox", "owl", "owl"]
    assert split.keys == ("more/1.png", "0.png", "more/3.png") and len(split.images[0].getbands()) == 3
    assert "1 pictures are not listed" in caplog.text


def test_files_are_named_relative_to_the_table(folder):
    file = table(folder, "pictures/0.png,owl", "pictures/more/1.png,fox")
    assert len(labelled_pictures([folder / "0.png", folder / "more" / "1.png"], file)) == 2


@pytest.mark.parametrize(("lines", "says"), [
    (["0.png,owl", "9.png,fox"], "lists 2 pictures, and 1 of them are not among the 4 given: 9.png"),
    (["0.png,owl", "0.png,fox"], "listed in line 2 already"),
    (["0.png,"], "the class name is empty"),
    ([], "lists no picture"),
])  # fmt: skip
def test_labels_that_do_not_match_are_refused_with_the_first_one(folder, lines, says):
    with pytest.raises(DataError, match=says):
        labelled_pictures([folder], table(folder, *lines))
