"""A stamp follows the bytes of picture files; files that were left alone are not read again."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from clipcompat.common.errors import DataError
from clipcompat.data.custom.from_folder import dataset_from_folder
from clipcompat.data.pictures import hashes, images
from clipcompat.data.pictures.hash_memory import HashMemory
from clipcompat.data.pictures.hashes import hash_files
from clipcompat.data.pictures.images import ImageFiles

PATHS = tuple(f"{folder}/{i}.bmp" for folder in "ab" for i in range(4))


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "pets"
    for number, path in enumerate(PATHS):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10 * number, 40, 90)).save(root / path)
    return root


@pytest.fixture
def later(monkeypatch) -> None:
    """Ten seconds after the test's files were written."""
    now = hashes.time.time_ns
    monkeypatch.setattr(hashes, "time", SimpleNamespace(time_ns=lambda: now() + 10 * 10**9))


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The files that were read to be hashed."""
    found, hash_file = [], hashes.hash_file
    monkeypatch.setattr(hashes, "hash_file", lambda path: found.append(Path(path).name) or hash_file(path))
    return found


def repaint(path: Path, colour: tuple[int, int, int] = (200, 7, 7)) -> None:
    """Change a picture in place; its size, its inode and even the time of its last change stay."""
    before = path.stat()
    with Image.open(path) as image:
        kind, size = image.format, image.size
    with open(path, "r+b") as stream:
        Image.new("RGB", size, colour).save(stream, kind)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert all(getattr(after, f"st_{what}") == getattr(before, f"st_{what}") for what in ("size", "ino", "mtime_ns"))


@pytest.mark.parametrize("kind", ["bmp", "ppm", "tif"])
def test_a_picture_changed_in_place_at_equal_size_changes_fingerprint_and_stamps(tmp_path, kind):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        for i in range(4):
            Image.new("RGB", (8, 8), (10 * i, 40, 90)).save(tmp_path / folder / f"{i}.{kind}")
    before = dataset_from_folder(tmp_path, shots=1)
    stamps = [split.stamp for split in (before.train, before.val, before.test)]
    for at, part in enumerate(("train", "val", "test")):
        repaint(tmp_path / getattr(before, part).keys[0], (200 + at, 7, 7))
        after = dataset_from_folder(tmp_path, shots=1)
        now = [split.stamp for split in (after.train, after.val, after.test)]
        assert [a == b for a, b in zip(now, stamps, strict=True)] == [at != i for i in range(3)]
        stamps = now


def test_the_orientation_edited_in_place_changes_the_fingerprint_of_upright_pictures(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 1
    Image.new("RGB", (8, 4), (9, 40, 90)).save(tmp_path / "a.jpg", exif=exif)
    before = ImageFiles(tmp_path, ("a.jpg",), "pets", upright=True)
    assert before[0].size == (8, 4)
    stamp, content = before.fingerprint, (tmp_path / "a.jpg").read_bytes()
    entry = exif.tobytes()[16:28]  # of the only tag
    at = content.index(entry)
    edited = bytearray(content)
    edited[at : at + 12] = entry.replace(
        b"\1\0\0\0" if entry[8] else b"\0\1\0\0", b"\6\0\0\0" if entry[8] else b"\0\6\0\0"
    )
    (tmp_path / "a.jpg").write_bytes(edited)
    after = ImageFiles(tmp_path, ("a.jpg",), "pets", upright=True)
    assert len(edited) == len(content) and after[0].size == (4, 8) and after.fingerprint != stamp


def test_pictures_that_change_places_between_classes_change_every_stamp(root):
    before = dataset_from_folder(root, shots=1)
    stamps = {part: getattr(before, part).stamp for part in ("train", "val", "test")}
    for i in range(4):
        a, b = (root / folder / f"{i}.bmp" for folder in "ab")
        contents = a.read_bytes(), b.read_bytes()
        assert len(contents[0]) == len(contents[1])
        a.write_bytes(contents[1]), b.write_bytes(contents[0])
    after = dataset_from_folder(root, shots=1)
    for part, stamp in stamps.items():
        assert getattr(after, part).keys == getattr(before, part).keys and getattr(after, part).stamp != stamp


def test_hashes_are_of_all_bytes_and_of_nothing_else(root, tmp_path):
    big = root / "big.bmp"
    big.write_bytes(bytes(2**20) + b"end")
    found = hash_files(root, ["big.bmp", *PATHS])
    assert found["big.bmp"].hash == hashlib.sha256(bytes(2**20) + b"end").hexdigest()
    assert [*found] == ["big.bmp", *PATHS] and len({file.hash for file in found.values()}) == 9
    root.rename(tmp_path / "moved")
    moved = hash_files(tmp_path / "moved", PATHS)
    assert {path: file.hash for path, file in moved.items()} == {path: found[path].hash for path in PATHS}


def test_an_unchanged_tree_is_not_read_again_and_of_a_changed_one_only_the_change(root, tmp_path, later, read):
    stamps = []

    def stamp() -> list[str]:
        read.clear()
        files = ImageFiles(root, PATHS, "pets")
        files.hash_contents(tmp_path / "cache")
        stamps.append(files.fingerprint)
        return sorted(read)

    assert stamp() == sorted(Path(path).name for path in PATHS)
    assert stamp() == []
    repaint(root / "b" / "2.bmp")
    assert stamp() == ["2.bmp"]
    assert stamp() == []
    assert stamps[0] == stamps[1] != stamps[2] == stamps[3] == ImageFiles(root, PATHS, "pets").fingerprint


def test_selections_share_what_was_read(root, read):
    files = ImageFiles(root, PATHS, "pets")
    assert files.fingerprint and len(read) == 8
    assert files.select([0, 5]).fingerprint and files.select([1, 1]).fingerprint and len(read) == 8


def test_another_root_under_the_same_name_is_not_taken_for_the_first(root, tmp_path, later):
    for folder in ("raw", "filtered"):
        shutil.copytree(root, tmp_path / folder / "pets")
    repaint(tmp_path / "filtered" / "pets" / PATHS[0])
    found = []
    for folder in ("raw", "filtered"):
        files = ImageFiles(tmp_path / folder / "pets", PATHS, "pets")
        files.hash_contents(tmp_path / "cache")
        found.append(files.fingerprint)
    assert found[0] != found[1] == ImageFiles(tmp_path / "filtered" / "pets", PATHS, "pets").fingerprint


def test_a_file_that_was_written_a_moment_ago_is_not_remembered(root, tmp_path, read):
    for _ in range(2):  # a change in the same tick of the clock would leave the same state
        hash_files(root, PATHS, tmp_path / "cache")
    assert len(read) == 16
    assert not HashMemory(tmp_path / "cache").find({str(root / path): hashes.file_state(root / path) for path in PATHS})


def test_a_file_with_a_time_in_the_future_is_not_remembered(root, tmp_path, later, read):
    os.utime(root / PATHS[0], (2**32, 2**32))
    for _ in range(2):
        hash_files(root, PATHS, tmp_path / "cache")
    assert len(read) == 9


def test_without_a_folder_that_can_be_written_pictures_are_hashed_each_time(root, tmp_path, later, read):
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file", tmp_path / "file" / "below"):
        read.clear()
        assert len(hash_files(root, PATHS, folder)) == len(hash_files(root, PATHS, folder)) == 8
        assert len(read) == 16


def test_every_read_is_reported(root):
    told = []
    hash_files(root, PATHS, None, lambda *said: told.append(said), "reading pets")
    assert told == [(done, 8, "reading pets") for done in range(1, 9)]


@pytest.mark.parametrize("lost", ["missing", "a folder"])
def test_a_picture_that_cannot_be_read_is_named(root, tmp_path, lost):
    (root / "a" / "1.bmp").unlink()
    if lost == "a folder":
        (root / "a" / "1.bmp").mkdir()
    for memory in (None, tmp_path / "cache"):
        with pytest.raises(DataError, match=r"the picture .*1\.bmp cannot be read: (No such file|Is a directory)"):
            hash_files(root, PATHS, memory)


def test_a_picture_that_changes_between_its_stamp_and_its_use_is_refused(root):
    files = ImageFiles(root, PATHS, "pets")
    assert files.fingerprint and files[2].size == (8, 8)
    repaint(root / PATHS[2])
    with pytest.raises(DataError, match=r"2\.bmp was changed while it was in use; load the data set again"):
        files.select([2])[0]
    assert ImageFiles(root, PATHS, "pets")[2].getpixel((0, 0)) == (200, 7, 7)


def test_a_picture_whose_permissions_change_may_still_be_used_and_is_read_once_more(root, read):
    files = ImageFiles(root, PATHS, "pets")
    assert files.fingerprint
    read.clear()
    os.chmod(root / PATHS[2], stat.S_IRUSR)
    assert [files[2].size for _ in range(3)] == [(8, 8)] * 3 and read == ["2.bmp"]


def test_pictures_that_no_stamp_was_asked_for_are_decoded_without_a_second_look(root, monkeypatch):
    monkeypatch.setattr(images, "file_state", lambda path: pytest.fail("looked at"))
    assert ImageFiles(root, PATHS, "pets")[0].size == (8, 8)
