from __future__ import annotations

import dataclasses
import io
import pickle
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from clipcompat.common.errors import DataError
from clipcompat.data.pictures.images import ImageFiles
from tests.data.conftest import write_picture


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    for number in range(3):
        write_picture(tmp_path / "a" / f"{number}.jpg", 80 * number)
    return ImageFiles(tmp_path, ("a/0.jpg", "a/1.jpg", "a/2.jpg"), "little")


def test_pictures_come_decoded_in_order_and_under_relative_keys(files):
    assert len(files) == 3
    reds = [files[i].getpixel((4, 4))[0] for i in range(3)]
    assert reds == pytest.approx([0, 80, 160], abs=4)
    assert [files.key(i) for i in range(3)] == ["a/0.jpg", "a/1.jpg", "a/2.jpg"]


def test_a_picture_keeps_the_mode_of_its_file(tmp_path):
    Image.new("L", (3, 2), 7).save(tmp_path / "grey.png")
    assert ImageFiles(tmp_path, ("grey.png",), "little")[0].mode == "L"


def test_floating_point_numbers_are_refused_by_name(tmp_path):
    Image.new("F", (3, 2), 0.5).save(tmp_path / "depth.tiff")
    with pytest.raises(DataError, match=r"depth\.tiff holds floating-point numbers"):
        ImageFiles(tmp_path, ("depth.tiff",), "little")[0]


SEEN = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}
"""What a viewer shows of stored rows, by the EXIF standard's orientation tag."""


@pytest.mark.parametrize("orientation", SEEN)
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_exif_rotation_is_ignored_as_upstream_does_and_applied_when_asked(tmp_path, kind, orientation):
    corners = np.array([[(250, 10, 10), (10, 240, 10)], [(10, 10, 230), (220, 220, 10)], [(9, 9, 9), (200, 9, 200)]])
    stored = corners.repeat(16, 0).repeat(16, 1).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(tmp_path / f"a.{kind}", exif=exif, **({"quality": 95} if kind == "jpg" else {}))
    files = ImageFiles(tmp_path, (f"a.{kind}",), "little")
    upright = dataclasses.replace(files, upright=True)
    for images, expected in ((files, stored), (upright, SEEN[orientation](stored))):
        found = np.asarray(images[0]).astype(int)
        assert found.shape == expected.shape
        assert abs(found[8::16, 8::16] - expected[8::16, 8::16]).max() < 8
    assert files.fingerprint != upright.fingerprint and upright.select([0]).upright
    assert pickle.loads(pickle.dumps(upright)) == upright


def exif(*tags: tuple[int, int, int, bytes]) -> bytes:
    """EXIF written by hand from (tag, type, count, value of up to four bytes)."""
    entries = b"".join(
        struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0") for tag, kind, count, value in tags
    )
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


TURNED = (274, 3, 1, struct.pack("<H", 6))
UNWRITABLE = {
    "a resolution of letters": (282, 2, 3, b"ab"),
    "a resolution of bytes": (282, 7, 4, b"abcd"),
    "a negative width": (256, 9, 1, struct.pack("<i", -5)),
    "letters for a number": (284, 2, 3, b"ab"),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
@pytest.mark.parametrize("name", UNWRITABLE)
def test_exif_that_pillow_reads_and_cannot_write_turns_a_picture_all_the_same(tmp_path, kind, name):
    tags = exif(*sorted([TURNED, UNWRITABLE[name]]))
    Image.new("RGB", (8, 4)).save(tmp_path / f"a.{kind}", exif=tags)
    assert ImageFiles(tmp_path, (f"a.{kind}",), "little", upright=True)[0].size == (4, 8)
    with pytest.raises((TypeError, struct.error)):  # what Pillow's own function does
        ImageOps.exif_transpose(Image.open(tmp_path / f"a.{kind}"))


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_exif_that_is_none_turns_nothing(tmp_path, kind):
    Image.new("RGB", (8, 4)).save(tmp_path / f"a.{kind}", exif=b"Exif\0\0garbage!")
    assert ImageFiles(tmp_path, (f"a.{kind}",), "little", upright=True)[0].size == (8, 4)


def test_selecting_takes_pictures_in_the_order_asked_for(files):
    assert files.select([2, 0]).paths == ("a/2.jpg", "a/0.jpg")


def test_files_survive_the_way_into_a_worker(files):
    copy = pickle.loads(pickle.dumps(files))
    assert copy.fingerprint == files.fingerprint
    assert copy[1].tobytes() == files[1].tobytes()


def test_fingerprint_is_the_same_in_another_folder_and_names_no_folder(files, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(files.root, elsewhere)
    moved = ImageFiles(elsewhere, files.paths, "little")
    assert moved.fingerprint == files.fingerprint
    assert files.fingerprint.startswith("files:little:") and str(files.root) not in files.fingerprint


def test_fingerprint_changes_with_a_file_a_path_and_a_name(files):
    before = files.fingerprint
    assert ImageFiles(files.root, files.paths[:2], "little").fingerprint != before
    assert ImageFiles(files.root, files.paths, "other").fingerprint != before
    with open(files.root / "a" / "1.jpg", "ab") as stream:
        stream.write(b"\0")
    assert ImageFiles(files.root, files.paths, "little").fingerprint != before


def test_a_missing_picture_is_named(files):
    (files.root / "a" / "1.jpg").unlink()
    with pytest.raises(DataError, match=r"1\.jpg cannot be read: No such file"):
        files[1]
    with pytest.raises(DataError, match=r"1\.jpg cannot be read: No such file"):
        _ = files.fingerprint


def _png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    buffer = io.BytesIO()
    Image.new("1", (1, 1)).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _noisy_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture at all", _cut(_noisy_jpeg()), _noisy_jpeg()[:-200], _png_of_size(9, 9)[:40], _png_of_size(9, 9)],
    ids=["empty", "text", "half a JPEG", "JPEG without its end", "half a PNG", "PNG without its pixels"],
)
def test_a_damaged_picture_is_named_instead_of_shown_half(files, content):
    (files.root / "a" / "0.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"0\.jpg \({len(content):,} bytes\) cannot be decoded"):
        files[0]


@pytest.mark.parametrize("side", [10_000, 60_000], ids=["where PIL warns", "where PIL refuses"])
def test_a_picture_that_would_fill_the_memory_is_refused(files, side):
    (files.root / "a" / "0.jpg").write_bytes(_png_of_size(side, side))
    with pytest.raises(DataError, match=r"0\.jpg unpacks to more pixels than is safe"):
        files[0]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_large_picture_is_refused_where_warnings_are_ignored_too(files):
    (files.root / "a" / "0.jpg").write_bytes(_png_of_size(10_000, 10_000))
    with pytest.raises(DataError, match="100,000,000 pixels"):
        files[0]


def test_reading_refuses_to_work_where_damage_would_go_unnoticed(files, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DataError, match="set it back to False"):
        files[0]


def test_importing_the_reader_leaves_pil_strict():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
