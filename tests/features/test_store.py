"""The feature file: committed rows are exactly what was written, everything else is refused or ignored."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from clipcompat.common.errors import CacheError, StorageError
from clipcompat.features.store import FeatureFile
from tests.trees import PROJECT, child_environment, python

WIDTH = 8


def rows(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def file(tmp_path):
    return FeatureFile(tmp_path / "cache", "x", WIDTH, "stamp")


def test_no_file_is_no_rows(file, tmp_path):
    assert file.rows() == 0 and file.read(0).shape == (0, WIDTH)
    assert not os.listdir(tmp_path)


def test_rows_come_back_as_they_were_written_whoever_opens_the_file(file, tmp_path):
    a, b = rows(3), rows(5, 1)
    file.append(a)
    file.append(b)
    again = FeatureFile(tmp_path / "cache", "x", WIDTH, "stamp")
    assert again.rows() == 8
    assert torch.equal(again.read(8), torch.cat([a, b])) and torch.equal(again.read(2), a[:2])


def test_rows_are_kept_as_float32_whatever_they_were(file):
    file.append(rows(2).double().requires_grad_())
    assert file.read(2).dtype == torch.float32 and torch.equal(file.read(2), rows(2))


def test_reading_maps_the_file_and_cannot_change_it(file, tmp_path):
    file.append(rows(4))
    read = file.read(4)
    path = tmp_path / "cache" / "x-00000.bin"
    if os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps") as maps:
            assert str(path) in maps.read()
    before = path.read_bytes()
    read.fill_(7)
    assert path.read_bytes() == before and torch.equal(file.read(4), rows(4))


def test_a_mapped_tensor_outlives_growth(file):
    file.append(rows(4))
    read = file.read(4)
    file.append(rows(4, 1))
    assert torch.equal(read, rows(4))


@pytest.mark.parametrize("left", [b"\1" * 7, b"\1" * 4 * WIDTH * 3])
def test_bytes_beyond_the_committed_length_are_never_read(file, tmp_path, left):
    file.append(rows(4))
    with open(tmp_path / "cache" / "x-00000.bin", "ab") as stream:
        stream.write(left)  # a kill after the rows and before the header
    assert file.rows() == 4 and torch.equal(file.read(4), rows(4))
    file.append(rows(2, 1))
    assert torch.equal(file.read(6), torch.cat([rows(4), rows(2, 1)]))
    assert (tmp_path / "cache" / "x-00000.bin").stat().st_size == 6 * WIDTH * 4


def test_rows_that_no_header_committed_are_written_again(file, tmp_path):
    file.append(rows(4))
    (tmp_path / "cache" / "x.head").unlink()
    assert file.rows() == 0
    file.append(rows(2, 1))
    assert torch.equal(file.read(2), rows(2, 1))


def refused(file, path, says: str) -> None:
    """Reading fails with a sentence that names the file and what to do."""
    with pytest.raises(CacheError, match=says) as caught:
        file.read(file.rows())
    assert str(path) in str(caught.value)
    assert re.search(r"delete x-\*\.bin and x\.head there, and it is computed again", str(caught.value))


@pytest.mark.parametrize("at", [0, 37, 4 * WIDTH * 4 - 1])
def test_one_changed_byte_is_found(file, tmp_path, at):
    file.append(rows(4))
    path = tmp_path / "cache" / "x-00000.bin"
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    refused(file, path, "corrupt")


def test_a_change_in_rows_that_are_not_asked_for_is_found_too(file, tmp_path):
    file.append(rows(4))
    path = tmp_path / "cache" / "x-00000.bin"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x80
    path.write_bytes(data)
    with pytest.raises(CacheError, match="corrupt"):
        file.read(1)


@pytest.mark.parametrize("left", [0, 1, 4 * WIDTH * 4 - 1])
def test_a_truncated_file_is_found(file, tmp_path, left):
    file.append(rows(4))
    os.truncate(tmp_path / "cache" / "x-00000.bin", left)
    refused(file, tmp_path / "cache" / "x-00000.bin", "shorter than its header says")


def test_a_lost_file_is_found(file, tmp_path):
    file.append(rows(4))
    (tmp_path / "cache" / "x-00000.bin").unlink()
    refused(file, tmp_path / "cache" / "x-00000.bin", "shorter than its header says")


def test_growing_a_truncated_file_does_not_make_it_look_whole(file, tmp_path):
    file.append(rows(4))
    os.truncate(tmp_path / "cache" / "x-00000.bin", 20)
    file.append(rows(2, 1))
    refused(file, tmp_path / "cache" / "x-00000.bin", "corrupt")


def test_a_header_of_fewer_rows_does_not_pass_for_a_shorter_file(file, tmp_path):
    file.append(rows(4))
    head = tmp_path / "cache" / "x.head"
    head.write_text(json.dumps(json.loads(head.read_text()) | {"rows": 3}))
    refused(file, tmp_path / "cache" / "x-00000.bin", "corrupt")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"7", b"{}", b"\xff\xfe", b'{"format": 1}', "half"]
    + [{"rows": value} for value in (-1, 2.5, "4", None)]
    + [{"crc32": value} for value in ("x", 7, [], ["x"], [1, 2])]
    + [{"shard_rows": value} for value in (0, 16383, -16384, "16384")],
)
def test_a_damaged_header_is_named(file, tmp_path, content):
    file.append(rows(4))
    head = tmp_path / "cache" / "x.head"
    whole = head.read_bytes()
    if isinstance(content, dict):
        content = json.dumps(json.loads(whole) | content).encode()
    head.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    for use in (file.rows, lambda: file.read(4), lambda: file.append(rows(1))):
        with pytest.raises(CacheError, match="damaged; delete x-\\*.bin and x.head") as caught:
            use()
        assert str(head) in str(caught.value)


@pytest.mark.parametrize("other", [{"stamp": "other"}, {"width": 9}, {"format": "clipcompat-features-0"}])
def test_a_header_of_something_else_is_refused(file, tmp_path, other):
    file.append(rows(4))
    head = tmp_path / "cache" / "x.head"
    head.write_text(json.dumps(json.loads(head.read_text()) | other))
    with pytest.raises(CacheError, match="made from something else"):
        file.rows()


def test_a_file_under_another_stamp_is_refused(file, tmp_path):
    file.append(rows(4))
    with pytest.raises(CacheError, match="stamp stamp, width 8; expected other and 8"):
        FeatureFile(tmp_path / "cache", "x", WIDTH, "other").rows()


def test_a_cache_of_the_earlier_format_is_refused_with_what_to_do(file, tmp_path):
    file.append(rows(4))
    head = tmp_path / "cache" / "x.head"
    header = {"format": "clipcompat-features-1", "stamp": "stamp", "width": 8, "rows": 4, "crc32": 1}
    head.write_text(json.dumps(header))
    with pytest.raises(CacheError, match=r"of an earlier version.*delete x\.bin and x\.head there, and it is computed"):
        file.read(4)


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path):
    (tmp_path / "taken").write_text("")
    file = FeatureFile(tmp_path / "taken", "x", WIDTH, "stamp")
    with pytest.raises(StorageError, match="Choose another one"), file.locked():
        raise AssertionError("the lock was had")
    with pytest.raises(StorageError, match="could not add 32 bytes"):
        file.append(rows(1))


APPEND = """
import sys, torch
from clipcompat.features.store import FeatureFile
file = FeatureFile(sys.argv[1], "x", 8, "stamp")
"""


def test_a_full_disk_keeps_what_was_committed(tmp_path):
    run = python(
        APPEND + "import resource\n"
        "file.append(torch.ones(4, 8))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
        "try: file.append(torch.ones(40, 8))\n"
        "except Exception as error: print(type(error).__name__, error)",
        str(tmp_path),
    )
    assert run.stdout.startswith("StorageError could not add 1,280 bytes"), run.stderr
    assert "The rows before them are safe" in run.stdout
    file = FeatureFile(tmp_path, "x", WIDTH, "stamp")
    assert torch.equal(file.read(file.rows()), torch.ones(4, 8))
    file.append(rows(40))
    assert torch.equal(file.read(44), torch.cat([torch.ones(4, 8), rows(40)]))


def test_the_lock_makes_processes_wait(tmp_path):
    """Two processes add ten times each; without the lock, they would overwrite each other's rows."""
    code = APPEND + (
        "for _ in range(10):\n"
        "    with file.locked():\n"
        "        at = file.rows()\n"
        "        file.append(torch.full((1, 8), float(at)))\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT, env=child_environment())
        for _ in range(2)
    ]
    assert [run.wait(100) for run in runs] == [0, 0]
    file = FeatureFile(tmp_path, "x", WIDTH, "stamp")
    assert file.rows() == 20 and torch.equal(file.read(20)[:, 0], torch.arange(20.0))
