from __future__ import annotations

from pathlib import Path

import pytest

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.custom.from_csv import dataset_from_csv
from tests.data.conftest import write_picture

CLASSES = ("sea_lake", "forest")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twenty pictures, p/0.jpg … p/19.jpg, of alternating classes."""
    for i in range(20):
        write_picture(tmp_path / "p" / f"{i}.jpg", i)
    return tmp_path


def lines(header: str, row, count: int = 20) -> str:
    return "\n".join([header, *(row(i) for i in range(count))]) + "\n"


def simple(i: int, d: str = ",") -> str:
    return d.join([f"p/{i}.jpg", CLASSES[i % 2]])


@pytest.fixture
def load(folder):
    """Writes a table and loads it."""

    def call(text: str | bytes, **arguments):
        file = folder / "pets.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return dataset_from_csv(file, **{"shots": 1, **arguments})

    return call


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_separator_is_seen_from_the_header(load, delimiter):
    data = load(lines(f"path{delimiter}classname", lambda i: simple(i, delimiter)))
    assert data.classnames == ("forest", "sea lake") and data.name == "csv/pets"
    assert (len(data.unlabelled), len(data.train), len(data.test)) == (10, 2, 6)


def test_spreadsheets_are_read_as_they_write(load):
    text = lines("\ufeffFile , Class ,note", lambda i: f'"p/{i}.jpg","{CLASSES[i % 2]}","a, ""quoted"" note"')
    assert load(text.replace("\n", "\r\n") + ",,\r\n\r\n").classnames == ("forest", "sea lake")


def test_labels_order_the_classes(load):
    data = load(lines("label,classname,path", lambda i: f"{i % 2},{CLASSES[i % 2]},p/{i}.jpg"))
    assert data.classnames == ("sea lake", "forest")
    assert all(int(Path(k).stem) % 2 == y for k, y in zip(data.test.keys, data.test.labels.tolist(), strict=True))


def test_a_label_column_of_words_is_one_of_class_names(load):
    assert load(lines("path,label", simple)).classnames == ("forest", "sea lake")


def test_mere_numbers_need_names(load):
    text = lines("path,label", lambda i: f"p/{i}.jpg,{i % 2}")
    with pytest.raises(DataError, match="a mere number says nothing"):
        load(text)
    assert load(text, names=["lake", "wood"]).classnames == load(text, names={0: "lake", 1: "wood"}).classnames


def test_splits_are_taken(load):
    parts = ["train"] * 10 + ["Validation"] * 4 + ["test"] * 6
    data = load(lines("path,classname,split", lambda i: f"{simple(i)},{parts[i]}"), shots=3)
    assert (len(data.unlabelled), len(data.train), len(data.val), len(data.test)) == (10, 6, 4, 6)
    assert {Path(key).stem for key in data.test.keys} == {str(i) for i in range(14, 20)}


def test_the_draw_goes_by_the_order_of_the_lines(load):
    data = load(lines("path,classname,split", lambda i: f"{simple(i)},{'train' if i < 10 else 'test'}"), shots="all")
    assert data.train.keys == tuple(f"p/{i}.jpg" for i in range(10))


def test_paths_may_start_elsewhere_or_be_absolute(load, folder):
    data = load(lines("path,classname", lambda i: f"./{i}.jpg,{CLASSES[i % 2]}"), root=folder / "p")
    assert "/" not in data.test.keys[0]
    absolute = load(lines("path,classname", lambda i: f"{folder}/{simple(i)}"))
    assert all(key.startswith("p/") for key in absolute.test.keys)


def test_hidden_files_and_what_desktops_leave_are_left_out_and_told(load, folder, caplog):
    junk = ("._0.jpg", "p/._1.jpg", "@eaDir/0.jpg/M.jpg", "__MACOSX/p/0.jpg", "p/Thumbs.db")
    for name in junk:
        write_picture(folder / name)
    text = lines("path,classname", simple)
    data = load(text + "".join(f"{name},junk\n" for name in junk))
    assert data.classnames == ("forest", "sea lake") and data.test.stamp == load(text).test.stamp
    assert "pets.csv: 5 lines are left out" in caplog.text and "._0.jpg, p/._1.jpg" in caplog.text
    with pytest.raises(DataError, match="lists hidden files only"):
        load("path,classname\np/._1.jpg,cat\n")


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_picture_listed_by_two_names_is_refused_with_both(load, folder, link):
    getattr(folder / "p" / "again.jpg", link)(folder / "p" / "0.jpg")
    parts = ["train"] * 14 + ["test"] * 6
    text = lines("path,classname,split", lambda i: f"{simple(i)},{parts[i]}") + "p/again.jpg,sea_lake,test\n"
    with pytest.raises(
        DataError, match=r"p/0\.jpg and p/again\.jpg are one file.*Remove one of the two from pets\.csv"
    ):
        load(text)


def test_every_picture_can_be_opened(load):
    data = load(lines("path,classname", simple))
    assert {data.test.images[i].size for i in range(len(data.test))} == {(8, 8)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first line must name the columns"),
        ("p/0.jpg,cat\np/1.jpg,dog\n", "the first line must name the columns.*'p/0.jpg,cat'"),
        ("path,classname\n", "lists no picture"),
        ("path,classname\np/0.jpg,cat\np/2.jpg,cat\np/4.jpg,cat\n", "has 1 class; a classifier needs two"),
        ("path,classname\n../x.jpg,cat\n", "line 2: '../x.jpg' leaves the image root"),
        ("path,classname\n/etc/x.jpg,cat\n", "line 2: '/etc/x.jpg' leaves the image root"),
        ("path,classname\nC:\\x.jpg,cat\n", "line 2: .* is a Windows path"),
        ("path,classname\n,cat\n", "line 2: the path is empty"),
        ("path,classname\np/0.jpg,cat\n./p/0.jpg,dog\n", "line 3: p/0.jpg is listed in line 2 already"),
        ("path,classname\np/0.jpg,\n", "line 2: the class name is empty; write it, or leave the line out"),
        ("path,classname\np/0.jpg\n", "line 2: the header has 2 columns, but there are 1 cells"),
        ("path,classname\np/0.jpg,crane, bird\np/1.jpg,crane, machine\n", "line 2: the header has 2 .* are 3 cells"),
        ("path,classname,path\np/0.jpg,cat,p/1.jpg\n", "columns path and path may both be the path; leave one"),
        ("path,classname,file\np/0.jpg,cat,p/1.jpg\n", "columns path and file may both be the path; leave one"),
        ("path,class,classname\np/0.jpg,cat,dog\n", "columns class and classname may both be the classname"),
        ('path,classname\np/0.jpg,"cat\n', "not a sound table"),
        ("path,classname,split\np/0.jpg,cat,dev\n", "line 2: the split should be train, val or test; it is 'dev'"),
        ("path,classname,split\np/0.jpg,cat,\n", "line 2: the split should be"),
        ("path,label,classname\np/0.jpg,one,cat\n", "line 2: the label should be a whole number.*'one'"),
        ("path,label,classname\np/0.jpg,-1,cat\n", "line 2: the label should be a whole number"),
        ("path,label,classname\np/0.jpg,0,cat\np/1.jpg,0,dog\n", "line 3: label 0 is called 'dog' here and 'cat' in"),
        ("path,label\np/0.jpg,-1\np/1.jpg,0\n", "line 2: the label should be a whole number from 0 on; it is '-1'"),
        ("path;label\np/0.jpg;0.5\np/1.jpg;1,5\n", "line 2: the label should be a whole number"),
        (f"path,label\np/0.jpg,{'1' * 5000}\np/1.jpg,0\n", "line 2: the label should be a whole number"),
        (f"path,classname\np/{'x' * 300}.jpg,cat\n", "line 2: 'p/xxx.*has a name of over 255 bytes"),
        ("path,label\np/0.jpg,0\np/1.jpg,2\n", "without gaps; they run up to 2 without 1"),
        ("path,label\np/0.jpg,0\np/1.jpg,99999999999\n", "without 1, 2, 3, 4, 5, …"),
        ("path,classname\np/none.jpg,cat\np/1.jpg,dog\n", "1 of the 2 pictures needed .* p/none.jpg"),
        (b"path,classname\np/caf\xe9.jpg,cat\n", "not text in UTF-8"),
        ("path,classname\np/0.jpg,cat\np/1.jpg,dog\n", "has 1 picture; .* 3 are needed"),
    ],
)
def test_tables_that_do_not_hold_together_are_refused(load, text, said):
    with pytest.raises(DataError, match=said):
        load(text)


def test_empty_cells_behind_the_last_column_and_missing_cells_of_ignored_columns_are_no_fault(load):
    assert load(lines("path,classname", lambda i: f"{simple(i)},,")).classnames == ("forest", "sea lake")
    assert load(lines("path,classname,note", simple)).classnames == ("forest", "sea lake")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_is_no_part_of_the_table(load, mark):
    assert load(mark + lines("path,classname", simple)).classnames == ("forest", "sea lake")


def test_a_class_of_the_test_part_needs_training_pictures(load):
    text = lines("path,classname,split", lambda i: f"{simple(i)},{'test' if i % 2 or i > 9 else 'train'}")
    with pytest.raises(DataError, match="1 of 2 classes have no picture to train on: 'forest'"):
        load(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        dataset_from_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="the root .* is no folder"):
        dataset_from_csv(tmp_path / "none.csv", root=tmp_path / "nowhere")


def test_shots_are_checked(load):
    with pytest.raises(DataError, match="6 shots were asked for"):
        load(lines("path,classname", simple), shots=6)
    with pytest.raises(ConfigError):
        load(lines("path,classname", simple), shots=0)
