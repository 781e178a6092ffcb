"""The feature file: committed rows are exactly what was written, everything else is refused or ignored."""

from __future__ import annotations

import errno
import gc
import json
import os
import re
import tracemalloc
import zlib

import pytest
import torch

from clipcompat.common.errors import CacheError, StorageError
from clipcompat.features import store
from clipcompat.features.store import BLOCK, FeatureFile

WIDTH = 8


def rows(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def file(tmp_path):
    return FeatureFile(tmp_path / "cache", "x", WIDTH, "stamp")


@pytest.fixture
def data(tmp_path):
    """Where the file's rows are."""
    return tmp_path / "cache" / "x.bin"


@pytest.fixture
def head(tmp_path):
    """Where the file's header is."""
    return tmp_path / "cache" / "x.head"


def change(path, at: int) -> None:
    """Change one bit of one byte."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_no_file_is_no_rows(file, tmp_path):
    assert file.rows() == 0 and file.read(0).shape == (0, WIDTH)
    file.verify()
    assert not os.listdir(tmp_path)


def test_rows_come_back_as_they_were_written_whoever_opens_the_file(file, tmp_path):
    a, b = rows(3), rows(5, 1)
    file.append(a)
    file.append(b)
    again = FeatureFile(tmp_path / "cache", "x", WIDTH, "stamp")
    assert again.rows() == 8
    assert torch.equal(again.read(8), torch.cat([a, b])) and torch.equal(again.read(2), a[:2])


LOTS = [(BLOCK,), (BLOCK + 1,), (BLOCK - 1, 2), (3, 2 * BLOCK, BLOCK - 3), (2 * BLOCK + 5, 7), (1, 0, BLOCK)]


@pytest.mark.parametrize("lots", LOTS)
def test_every_block_has_its_checksum_whatever_lots_rows_came_in(file, data, head, lots):
    written = rows(sum(lots))
    for lot in written.split(lots):
        file.append(lot)
    assert torch.equal(file.read(len(written)), written)
    assert data.read_bytes() == written.numpy().tobytes()
    assert json.loads(head.read_text())["crc32"] == [zlib.crc32(block.numpy()) for block in written.split(BLOCK)]
    file.verify()


def test_rows_are_kept_as_float32_whatever_they_were(file):
    file.append(rows(2).double().requires_grad_())
    assert file.read(2).dtype == torch.float32 and torch.equal(file.read(2), rows(2))


def maps() -> str:
    """The memory maps of this process."""
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("only Linux lists the maps of a process")
    with open("/proc/self/maps") as stream:
        return stream.read()


def test_reading_maps_the_file_until_the_tensor_goes(file, data):
    file.append(rows(4))
    view = file.read(4)[1:]
    gc.collect()
    assert str(data) in maps() and torch.equal(view, rows(4)[1:])
    del view
    gc.collect()
    assert str(data) not in maps()


def test_what_is_written_to_the_tensor_does_not_reach_the_file(file, data):
    file.append(rows(4))
    before = data.read_bytes()
    file.read(4).fill_(7)
    assert data.read_bytes() == before and torch.equal(file.read(4), rows(4))


def test_a_mapped_tensor_outlives_growth(file):
    file.append(rows(4))
    read = file.read(4)
    file.append(rows(4, 1))
    assert torch.equal(read, rows(4))


def test_a_file_may_be_larger_than_memory(file, data, monkeypatch):
    """A terabyte of holes: nothing of it is on the disk, and only the pages that are looked at come into memory."""
    count, size = 1 << 35, 1 << 40
    data.parent.mkdir()
    with open(data, "wb") as stream:
        stream.truncate(size)
        stream.seek(size - 4)
        stream.write(torch.tensor(3.0).numpy())
    monkeypatch.setattr(FeatureFile, "_checked", lambda self, blocks: {"rows": count})  # checksums would take minutes
    read = file.read(count)
    assert read.shape == (count, WIDTH) and read[-1, -1] == 3 and read[0, 0] == 0


def test_checking_takes_the_memory_of_one_block(file):
    file.append(rows(20 * BLOCK))
    for check in (file.verify, lambda: file.read(1)):
        tracemalloc.start()
        check()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert BLOCK * WIDTH * 4 < peak < 3 * BLOCK * WIDTH * 4


@pytest.mark.parametrize("left", [b"\1" * 7, b"\1" * 4 * WIDTH * 3])
def test_bytes_beyond_the_committed_length_are_never_read(file, data, left):
    file.append(rows(4))
    with open(data, "ab") as stream:
        stream.write(left)  # a kill after the rows and before the header
    assert file.rows() == 4 and torch.equal(file.read(4), rows(4))
    file.append(rows(2, 1))
    assert torch.equal(file.read(6), torch.cat([rows(4), rows(2, 1)]))
    assert data.read_bytes().startswith(torch.cat([rows(4), rows(2, 1)]).numpy().tobytes())


def test_rows_that_no_header_committed_are_written_again(file, head):
    file.append(rows(4))
    head.unlink()
    assert file.rows() == 0
    file.append(rows(2, 1))
    assert torch.equal(file.read(2), rows(2, 1))


def refused(use, path, says: str) -> None:
    """It fails with a sentence that names the file and what to do."""
    with pytest.raises(CacheError, match=says) as caught:
        use()
    assert str(path) in str(caught.value)
    assert re.search(r"delete x\.bin and x\.head there, and it is computed again", str(caught.value))


@pytest.mark.parametrize("at", [0, 37, 4 * WIDTH * 4 - 1])
def test_one_changed_byte_is_found_in_rows_that_are_not_asked_for_too(file, data, at):
    file.append(rows(4))
    change(data, at)
    for count in (0, 1, 4):
        refused(lambda count=count: file.read(count), data, "corrupt")


@pytest.mark.parametrize("block", [0, 1, 2, 33])
def test_damage_in_any_block_is_found_on_demand_and_in_the_last_gibibyte_at_once(file, data, block, monkeypatch):
    assert store._CHECKED == 2**30
    monkeypatch.setattr(store, "_CHECKED", 32 * BLOCK * WIDTH * 4)  # 33 blocks of a narrow file are no gibibyte
    file.append(rows(33 * BLOCK + 9))
    change(data, block * BLOCK * WIDTH * 4 + 99)
    refused(file.verify, data, f"corrupt .the checksum of block {block} of 34 is wrong")
    if block >= 2:
        refused(lambda: file.read(1), data, "corrupt")
    else:
        assert file.read(1).shape == (1, WIDTH)


@pytest.mark.parametrize("count", [4, 40 * BLOCK])
@pytest.mark.parametrize("left", [0, 1, -1, None])
def test_a_truncated_or_lost_file_is_found_at_once(file, data, count, left):
    file.append(rows(count))
    data.unlink() if left is None else os.truncate(data, left % (count * WIDTH * 4))
    refused(lambda: file.read(1), data, "shorter than its header says")


def test_growing_a_truncated_file_does_not_make_it_look_whole(file, data):
    file.append(rows(4))
    os.truncate(data, 20)
    file.append(rows(2, 1))
    refused(lambda: file.read(6), data, "corrupt")


def test_a_header_of_fewer_rows_does_not_pass_for_a_shorter_file(file, data, head):
    file.append(rows(4))
    head.write_text(json.dumps(json.loads(head.read_text()) | {"rows": 3}))
    again = FeatureFile(data.parent, "x", WIDTH, "stamp")
    refused(lambda: again.read(3), data, "corrupt")


def test_a_cache_that_was_deleted_while_it_was_filled_is_not_filled_with_the_wrong_rows(file, head):
    file.append(rows(4), at=0)
    head.unlink()
    with pytest.raises(CacheError, match="deleted while it was being filled; run again"):
        file.append(rows(2, 1), at=4)
    assert file.rows() == 0


def test_a_file_that_cannot_be_opened_is_a_sentence(file, data):
    file.append(rows(4))
    data.unlink()
    data.mkdir()
    with pytest.raises(CacheError, match=r"x\.bin (cannot be read: Is a directory|is shorter)"):
        file.read(4)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"7", b"{}", b"\xff\xfe", b'{"format": 1}', "half"]
    + [{"rows": value} for value in (-1, 2.5, "4", None, True, BLOCK + 1)]
    + [{"crc32": value} for value in ("x", 7, [], ["x"], [1, 2])],
)
def test_a_damaged_header_is_named(file, head, content):
    file.append(rows(4))
    whole = head.read_bytes()
    if isinstance(content, dict):
        content = json.dumps(json.loads(whole) | content).encode()
    head.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    for use in (file.rows, lambda: file.read(4), lambda: file.append(rows(1)), lambda: FeatureFile.open(head)):
        refused(use, head, "damaged")


@pytest.mark.parametrize("other", [{"stamp": "other"}, {"width": 9}, {"format": "clipcompat-features-0"}])
def test_a_header_of_something_else_is_refused(file, head, other):
    file.append(rows(4))
    head.write_text(json.dumps(json.loads(head.read_text()) | other))
    refused(file.rows, head, "made from something else")


def test_a_file_under_another_stamp_is_refused(file, tmp_path):
    file.append(rows(4))
    with pytest.raises(CacheError, match="stamp stamp, width 8; expected other and 8"):
        FeatureFile(tmp_path / "cache", "x", WIDTH, "other").rows()


FORMER = [
    {"format": "clipcompat-features-1", "stamp": "stamp", "width": 8, "rows": 4, "crc32": 1},
    {"format": "clipcompat-features-2", "stamp": "stamp", "width": 8, "rows": 4, "crc32": [1], "shard_rows": 16384},
    {"format": "clipcompat-features-2"},
]


@pytest.mark.parametrize("header", FORMER)
def test_a_cache_of_an_earlier_format_is_refused_with_what_to_do(file, head, header):
    file.append(rows(4))
    head.write_text(json.dumps(header))
    for use in (file.rows, lambda: file.read(4), lambda: file.append(rows(1)), lambda: FeatureFile.open(head)):
        with pytest.raises(CacheError, match=r"of an earlier version; delete x\*\.bin and x\.head there, and it is "):
            use()


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path):
    (tmp_path / "taken").write_text("")
    file = FeatureFile(tmp_path / "taken", "x", WIDTH, "stamp")
    with pytest.raises(StorageError, match="Choose another one"), file.locked():
        raise AssertionError("the lock was had")
    with pytest.raises(StorageError, match="could not add 32 bytes"):
        file.append(rows(1))


@pytest.mark.parametrize("reason", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_folder_that_cannot_lock_is_a_sentence(file, monkeypatch, reason):
    def flock(*arguments):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StorageError, match=f"cannot lock files.*{os.strerror(reason)}.*local disk"), file.locked():
        raise AssertionError("the lock was had")


@pytest.mark.parametrize("stop", ["clipcompat.features.store.os.fsync", "clipcompat.features.store.write_atomic"])
def test_an_interrupt_before_the_commit_changes_nothing(file, monkeypatch, stop):
    first, second, other = rows(BLOCK - 7), rows(2 * BLOCK, 1), rows(2 * BLOCK + 20, 2)
    file.append(first)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stop, interrupted)
        with pytest.raises(KeyboardInterrupt):
            file.append(second)
    assert file.rows() == len(first) and torch.equal(file.read(len(first)), first)
    file.verify()
    file.append(other)
    assert torch.equal(file.read(file.rows()), torch.cat([first, other]))
    file.verify()
