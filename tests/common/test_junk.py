from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from clipcompat.common.junk import is_junk

JUNK = (
    ".hidden.jpg",
    "cat/._1.jpg",
    "cat/.DS_Store",
    ".thumbnails/1.jpg",
    "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
    "__MACOSX/cat/1.jpg",
    "cat/Thumbs.db",
    "cat/THUMBS.DB",
    "Desktop.ini",
    "cat/Icon\r",
    "#recycle/cat/1.jpg",
    "lost+found",
    "System Volume Information",
)


@pytest.mark.parametrize("path", JUNK)
def test_hidden_files_and_what_desktops_leave_are_junk(path):
    assert is_junk(path) and is_junk(Path(path)) and is_junk(PurePosixPath(path))


@pytest.mark.parametrize(
    "path", ["cat/1.jpg", "a.b/c.jpg", "../cat/1.jpg", "MACOSX/1.jpg", "Thumbs.db.jpg", "eaDir", "."]
)
def test_other_names_are_not(path):
    assert not is_junk(path)
