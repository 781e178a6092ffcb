from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path
from random import Random

import pytest

from clipcompat.common.errors import DataError, StorageError
from clipcompat.data.fetch import archives
from clipcompat.data.fetch.archives import unpack

PLAIN = {"set/images/cat/1.jpg": b"cat", "set/images/dog/2.jpg": b"dog", "set/readme.txt": b"r", "set/list.txt": b"l"}
KEEP = {"images": "images", "list.txt": "list.txt"}


def write_zip(path: Path, files: dict[str, bytes], links: dict[str, str] = {}) -> Path:  # noqa: B006
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
        for name, to in links.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            packed.writestr(info, to)
    return path


def write_tar(path: Path, files: dict[str, bytes], links: dict[str, str] = {}, mode: str = "w:gz") -> Path:  # noqa: B006
    with tarfile.open(path, mode) as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
        for name, to in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, to
            packed.addfile(info)
    return path


WRITERS = {"a.zip": write_zip, "a.tar.gz": write_tar}


@pytest.fixture(params=WRITERS)
def packed(request, tmp_path):
    """Writes files (and links) as a zip or a tar."""
    return lambda files, links={}: WRITERS[request.param](tmp_path / request.param, files, links)


def refused(archive: Path, words: str) -> None:
    into = archive.parent / "new" / "into"
    with pytest.raises(DataError, match=words):
        unpack(archive, into, KEEP)
    assert not into.exists() and [p.name for p in archive.parent.iterdir() if p.is_file()] == [archive.name]


def test_what_is_wanted_is_found_at_any_depth_and_the_rest_left_out(packed, tmp_path):
    files = {
        **PLAIN,
        "set/images/.DS_Store": b"x",
        "__MACOSX/set/images/cat/._1.jpg": b"x",
        "set/images/@eaDir/1.jpg": b"x",
    }
    assert unpack(packed(files), tmp_path / "into", KEEP) == 3
    written = {p.relative_to(tmp_path / "into").as_posix(): p.read_bytes() for p in (tmp_path / "into").rglob("*.*")}
    assert written == {"images/cat/1.jpg": b"cat", "images/dog/2.jpg": b"dog", "list.txt": b"l"}


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_tars_of_any_compression_are_read_whatever_they_are_called(tmp_path, mode):
    assert unpack(write_tar(tmp_path / "a.tar.gz", PLAIN, mode=mode), tmp_path / "into", KEEP) == 3


def test_progress_tells_how_much_of_the_archive_was_read(packed, tmp_path):
    seen = []
    archive = packed({f"images/{n}.jpg": bytes([n % 256]) * 99 for n in range(250)} | {"list.txt": b""})
    unpack(archive, tmp_path / "into", KEEP, lambda *told: seen.append(told))
    assert [told[2] for told in seen] == [f"unpack {archive.name} (MiB)"] * 2


@pytest.mark.parametrize(
    "name", ["../images/x.jpg", "set/images/../../../x.jpg", "/images/x.jpg", "images\\..\\x.jpg", "C:/images/x.jpg"]
)
def test_a_name_that_leaves_the_folder_is_refused(packed, name):
    archive = packed({**PLAIN, name: b"x"})
    if archive.suffix == ".zip" and "\\" in name and "/" not in name:
        name = name.replace("\\", "/")  # zipfile writes it so on Windows only; either way it is refused
    refused(archive, "would be written outside the folder")


@pytest.mark.parametrize("to", ["/etc/passwd", "..", "cat/1.jpg"])
def test_a_link_among_what_is_wanted_is_refused(packed, to):
    refused(packed(PLAIN, {"set/images/link.jpg": to}), r"'set/images/link.jpg' is a link or a device")


def test_a_link_elsewhere_is_left_out(packed, tmp_path):
    assert unpack(packed(PLAIN, {"set/latest": "images"}), tmp_path / "into", KEEP) == 3
    assert not list((tmp_path / "into").glob("**/latest"))


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_hard_links_and_devices_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        info = tarfile.TarInfo("images/odd.jpg")
        info.type, info.linkname = kind, "images/cat/1.jpg"
        packed.addfile(info)
    refused(tmp_path / "a.tar", "is a link or a device")


def test_a_bomb_is_stopped_at_a_multiple_of_its_own_size(packed, monkeypatch):
    monkeypatch.setattr(archives, "ROOM", 1000)
    refused(packed({**PLAIN, "set/images/big.jpg": bytes(5_000_000)}), "more than 8 times its own size")


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path):
    content = bytearray(write_zip(tmp_path / "a.zip", {**PLAIN, "images/big.jpg": bytes(5_000_000)}).read_bytes())
    honest = (5_000_000).to_bytes(4, "little")
    for place in (content.index(honest), content.rindex(honest)):
        content[place : place + 4] = (10).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", "cannot be unpacked: Bad CRC-32")


def test_a_bomb_of_many_small_files_is_stopped_too(packed, monkeypatch):
    monkeypatch.setattr(archives, "ROOM", 1000)
    many = {f"images/{n}.jpg": bytes(10_000) for n in range(300)}
    refused(packed({**PLAIN, **many}), "unpacks to more than 8 times its own size")


def test_a_bomb_of_endless_entries_is_stopped(packed, monkeypatch):
    monkeypatch.setattr(archives, "MEMBERS", 3)
    refused(packed(PLAIN), "unpacks to more than 3 entries")


def test_a_small_archive_of_lists_is_no_bomb(packed, tmp_path):
    assert unpack(packed({"images/a.txt": bytes(1_000_000), "list.txt": b""}), tmp_path / "into", KEEP) == 2


def test_a_file_that_occurs_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for content in (b"1", b"2"):
            packed.writestr("images/1.jpg", content)
    refused(tmp_path / "a.zip", r"1\.jpg occurs twice")


def test_a_file_that_is_also_a_folder_is_refused(packed):
    refused(packed({"images/1": b"", "images/1/2.jpg": b""}), "occurs twice")


def test_a_name_that_is_no_utf_8_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as packed:
        info = tarfile.TarInfo("images/caf\xe9.jpg")
        packed.addfile(info, io.BytesIO(b""))
    refused(tmp_path / "a.tar", r"the name 'images/caf\\udce9\.jpg' is not UTF-8")


def test_half_an_archive_is_refused_and_nothing_is_left(packed):
    archive = packed({**PLAIN, "images/noise.jpg": bytes(range(256)) * 2000})
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size * 2 // 3])
    refused(archive, "cannot be unpacked|holds no list.txt")


def test_flipped_bytes_are_noticed(packed):
    archive = packed({**PLAIN, "images/noise.jpg": b"".join(bytes([n * n % 251, n % 7]) for n in range(20_000))})
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 255
    archive.write_bytes(content)
    refused(archive, "cannot be unpacked")


@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>" * 100])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", r"a\.zip cannot be unpacked")


def test_an_encrypted_archive_is_refused(tmp_path):
    content = bytearray(write_zip(tmp_path / "a.zip", {"images/1.jpg": b"x"}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", "is encrypted")


def test_an_archive_without_what_is_wanted_is_refused(packed):
    refused(packed({"images/1.jpg": b""}), r"holds no list\.txt: it is another archive")


def test_a_full_disk_is_a_sentence_and_leaves_nothing(packed, tmp_path, monkeypatch):
    archive = packed(PLAIN)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "_write", full)
    with pytest.raises(StorageError, match="No space left on device. Nothing was left half-unpacked"):
        unpack(archive, tmp_path / "into", KEEP)
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("name", ["\0aaa", ".\0aa", "/\0aa"], ids=["empty", "dot", "slash"])
def test_an_entry_without_a_name_is_refused_or_a_folder(tmp_path, name):
    archive = write_zip(tmp_path / "a.zip", {"images/1.jpg": b"1", "list.txt": b"l", "aaaa": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"aaaa", name.encode()))  # zipfile cuts a name at its first zero
    if name.startswith("/"):
        assert unpack(archive, tmp_path / "new", KEEP) == 2
    else:
        refused(archive, "is no file's")


def test_a_name_that_no_file_system_takes_is_harm_and_not_a_full_disk(packed):
    refused(packed({**PLAIN, "images/" + "x" * 256: b"x"}), "longer than a file's name can be")


def test_damage_within_bzip2_is_damage_and_not_a_full_disk(tmp_path):
    archive = write_tar(tmp_path / "a.tar", {**PLAIN, "set/images/3.jpg": Random(1).randbytes(2_000_000)}, mode="w:bz2")
    data = bytearray(archive.read_bytes())
    data[-len(data) // 4] ^= 255  # in the last of three blocks
    archive.write_bytes(data)
    refused(archive, "cannot be unpacked: Invalid data stream")
