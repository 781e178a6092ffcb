from __future__ import annotations

import os
import shutil

import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.public.folders import check_present, entries, find_folder
from clipcompat.data.public.layout import find_layout
from tests.data.conftest import write_picture

EUROSAT = find_layout("eurosat")


def test_a_complete_data_set_is_found(eurosat):
    assert find_folder(EUROSAT, eurosat) == find_folder(EUROSAT, str(eurosat)) == eurosat / "eurosat"


def test_a_data_set_whose_pictures_lie_in_its_own_folder_is_found(tmp_path):
    write_picture(tmp_path / "stanford_cars" / "cars_train" / "00001.jpg")
    (tmp_path / "stanford_cars" / "split_zhou_StanfordCars.json").touch()
    assert find_folder(find_layout("cars"), tmp_path) == tmp_path / "stanford_cars"


def test_without_a_root_the_message_says_how_to_give_one():
    with pytest.raises(DataError, match=r"pass root= \(on the command line: --root\), the folder that holds eurosat/"):
        find_folder(EUROSAT, None)


def test_a_root_that_is_no_folder_is_refused(eurosat):
    with pytest.raises(DataError, match="the root .*nowhere is no folder"):
        find_folder(EUROSAT, eurosat / "nowhere")


def test_a_missing_folder_is_told_with_what_is_there(eurosat):
    (eurosat / "dtd").mkdir()
    (eurosat / "eurosat").rename(eurosat / "EuroSAT_RGB")
    with pytest.raises(DataError, match=r"eurosat, which is not there\. In .* there is: EuroSAT_RGB/, dtd/\. Put"):
        find_folder(EUROSAT, eurosat)


def test_an_empty_root_is_called_empty(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        find_folder(EUROSAT, tmp_path)


def test_the_data_set_given_as_root_is_recognised(eurosat):
    with pytest.raises(DataError, match="looks like the data set itself: name it eurosat and pass its parent"):
        find_folder(EUROSAT, eurosat / "eurosat")


def test_a_missing_split_file_is_not_made_up(eurosat):
    (eurosat / "eurosat" / "split_zhou_EuroSAT.json").unlink()
    said = rf"none is made up in its place.*there is: 2750/.*DATASETS.md.*data fetch eurosat --root {eurosat}"
    with pytest.raises(DataError, match=said):
        find_folder(EUROSAT, eurosat)


def test_a_missing_image_root_is_told_with_what_is_there(eurosat):
    (eurosat / "eurosat" / "2750").rename(eurosat / "eurosat" / "EuroSAT")
    with pytest.raises(DataError, match=r"expected in .*2750, which is not there\. In .* there is: EuroSAT/, split"):
        find_folder(EUROSAT, eurosat)


def test_missing_class_names_are_told(tmp_path):
    write_picture(tmp_path / "imagenetv2/imagenetv2-matched-frequency-format-val/0/a.jpeg")
    with pytest.raises(DataError, match=r"classnames\.txt \(its class names\)"):
        find_folder(find_layout("imagenetv2"), tmp_path)


def test_missing_pictures_are_counted_and_three_named(tmp_path):
    paths = [f"{folder}/{number}.jpg" for folder in "ab" for number in range(5)]
    for path in paths:
        write_picture(tmp_path / path)
    check_present(tmp_path, paths, "toy")
    for path in paths[:4]:
        (tmp_path / path).unlink()
    with pytest.raises(DataError, match=r"toy: 4 of the 10 pictures .*: a/0.jpg, a/1.jpg, a/2.jpg, …\. Unpack"):
        check_present(tmp_path, paths, "toy")
    shutil.rmtree(tmp_path / "b")
    with pytest.raises(DataError, match=r"toy: 9 of the 10 .* Whole folders are missing: b\."):
        check_present(tmp_path, paths, "toy")


def test_hidden_and_flat_pictures_count_as_present(tmp_path):
    for path in ("flat.jpg", ".hidden.jpg"):
        write_picture(tmp_path / path)
    check_present(tmp_path, ["flat.jpg", ".hidden.jpg"], "toy")


def test_names_that_are_no_utf_8_can_be_printed_in_a_sentence(tmp_path):
    try:
        open(os.path.join(os.fsencode(tmp_path), b"caf\xe9"), "wb").close()
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    with pytest.raises(DataError, match=r"there is: caf\\udce9\.") as caught:
        find_folder(EUROSAT, tmp_path)
    assert str(caught.value).encode()


def test_a_file_cannot_be_listed(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file cannot be listed: Not a directory"):
        entries(tmp_path / "file")
