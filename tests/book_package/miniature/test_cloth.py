from __future__ import annotations

import json

import pytest
from PIL import Image

from clipcompat.common.errors import StorageError
from clipcompat.data.custom.address import clean_classnames
from clipcompat.data.mini.datasets import RenderedImages
from clipcompat.data.mini.sets import SETS
from clipcompat.data.mini.words import UNSEEN_COLOURS, UNSEEN_TEXTURES
from clipcompat_book.miniature.cloth import KINDS, cloth_names, write_cloth


def test_the_folder_holds_the_pictures_of_its_names(tmp_path):
    folder = write_cloth(tmp_path, 3)
    assert [p.name for p in sorted(folder.iterdir())] == sorted(cloth_names())
    assert len(list(folder.rglob("*.bmp"))) == 3 * 12 and not list(tmp_path.glob("tmp*"))
    drawn = RenderedImages("mini/fabrics", "cloth", [1, 1 + len(SETS["mini/fabrics"].classes)])
    with Image.open(folder / "002.VermilionTartan" / "0001.bmp") as picture:
        assert picture.tobytes() == drawn[1].tobytes() != drawn[0].tobytes()


def test_every_list_names_every_folder(tmp_path):
    write_cloth(tmp_path, 1)
    for kind in KINDS:
        names = json.loads((tmp_path / f"{kind}.json").read_text())
        assert names == cloth_names(kind) and len(set(names.values())) == 12


def test_the_lists_differ_in_their_words():
    assert cloth_names("plain")["001.VermilionBarred"] == "red striped"
    assert clean_classnames(list(cloth_names())).names[0] == "Vermilion Barred"
    unseen = {*UNSEEN_COLOURS.values(), *UNSEEN_TEXTURES.values()}
    assert {word for name in cloth_names("house").values() for word in name.split()} <= unseen


def test_what_is_there_is_not_written_over(tmp_path):
    write_cloth(tmp_path, 1)
    with pytest.raises(StorageError, match="does not hold it yet"):
        write_cloth(tmp_path, 1)
