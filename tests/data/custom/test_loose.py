"""Pictures that are in no class."""

from __future__ import annotations

import pytest
from PIL import Image

from clipcompat.common.errors import DataError
from clipcompat.data.custom.loose import loose_pictures


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "deep/er/a.jpg", ".hidden/c.png", "@eaDir/d.png", "._e.png", "notes.txt"):
        file = tmp_path / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix != ".txt":
            Image.new("RGB", (4, 4)).save(file)
    return tmp_path / "pictures"


def test_a_folder_gives_its_pictures_at_any_depth_and_no_junk(folder):
    found = loose_pictures([folder])
    assert list(found.paths) == ["b.png", "deep/er/a.jpg"]
    assert found[0].size == (4, 4)


def test_files_and_folders_mix_and_a_file_counts_once(folder):
    assert len(loose_pictures([folder / "b.png", folder])) == 2


def test_nothing_is_told(folder, tmp_path):
    with pytest.raises(DataError, match="no picture was given"):
        loose_pictures([])
    with pytest.raises(DataError, match="there is no .*absent"):
        loose_pictures([tmp_path / "absent"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no picture"):
        loose_pictures([tmp_path / "empty"])
