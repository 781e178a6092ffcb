"""Append-only rows of float32 on disk with a committed length: a kill at any point loses and doubles nothing.

`NAME.bin` holds the rows. `NAME.head` (JSON; only records are named .json) holds the number of committed rows, their
width, their stamp, and one CRC-32 per block of rows. Rows are flushed to disk before the header is replaced atomically.
So bytes behind the committed rows are never read, and the next append drops them.
"""

import logging
import mmap
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from clipcompat.common.errors import CacheError, StorageError
from clipcompat.common.files import parse_json, to_json, write_atomic

log = logging.getLogger(__name__)

BLOCK = 4096
"""Rows per checksum. 8 MiB at width 512: little memory to verify one. One view of ImageNet is 313 blocks: a header of
4 kB, which every commit writes again."""

_CHECKED = 1 << 30  # bytes at the end of a file that `read` compares with their checksums, which takes about a second
_FORMAT, _FORMER = "clipcompat-features-3", ("clipcompat-features-1", "clipcompat-features-2")
# Linux refuses a private map that is larger than memory and swap without this flag, which np.memmap cannot pass and
# which has no name in Python 3.11.
_MAP_NORESERVE = 0x40 if sys.platform == "darwin" else 0x4000


class FeatureFile:
    """Rows [row, width] on disk, read through a memory map.

    Args:
        folder, name: where; the folder is made when rows are first written.
        width: values per row.
        stamp: what the rows were made from; a file with another stamp is refused.
    """

    def __init__(self, folder: str | Path, name: str, width: int, stamp: str):
        self._folder, self._name = Path(folder), name
        self._data, self._header = self._folder / f"{name}.bin", self._folder / f"{name}.head"
        self.width, self._stamp = width, stamp

    @classmethod
    def open(cls, header: str | Path) -> "FeatureFile":
        """The cache of an existing header, whatever it was made from.

        Raises:
            CacheError: the header is damaged, or of an earlier version.
        """
        header = Path(header)
        try:
            known = parse_json(header.read_bytes())
            width, stamp = max(1, int(known["width"])), str(known["stamp"])
        except (OSError, ValueError, KeyError, TypeError):
            width, stamp = 1, ""  # reading it again below says what is wrong with it
        file = cls(header.parent, header.stem, width, stamp)
        file.rows()
        return file

    def rows(self) -> int:
        """Committed rows; 0 if there is no file yet."""
        return self._read_header()["rows"]

    def append(self, rows: Tensor) -> None:
        """Write rows [row, width] behind the committed ones, then commit them, all or none.

        Raises:
            CacheError: the header is damaged. StorageError: the rows could not be written; those before them are safe.
        """
        header = self._read_header()
        new = rows.detach().to("cpu", torch.float32).contiguous().numpy()
        committed = header["rows"] * self.width * 4
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(self._data, "ab") as stream:
                stream.truncate(committed)  # drops what a kill left uncommitted
                stream.write(new)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StorageError(
                f"could not add {new.nbytes:,} bytes to the feature cache {self._data}: {error.strerror or error}. "
                "The rows before them are safe; free some space, or pass another cache folder, and run again."
            ) from error
        _add_checks(header["crc32"], header["rows"], new)
        header["rows"] += len(new)
        write_atomic(self._header, to_json(header))

    def read(self, rows: int) -> Tensor:
        """The first `rows` rows, [rows, width], memory-mapped; writing to the tensor does not change the file.

        Checks the file's size and its last gibibyte, so that only larger caches need `verify`.

        Raises:
            CacheError: the file is shorter than committed, cannot be read, or does not hold what was written.
        """
        header = self._checked(max(1, _CHECKED // (BLOCK * self.width * 4)))
        if header["rows"] == 0:
            return torch.zeros(0, self.width)
        flags, access = mmap.MAP_PRIVATE | _MAP_NORESERVE, mmap.PROT_READ | mmap.PROT_WRITE
        with self._readable(), open(self._data, "rb") as stream:
            data = mmap.mmap(stream.fileno(), header["rows"] * self.width * 4, flags, access)
        return torch.frombuffer(data, dtype=torch.float32).view(-1, self.width)[:rows]  # [row * width] -> [row, width]

    def verify(self) -> None:
        """Compare all committed rows with their checksums; about a second per gibibyte.

        Raises:
            CacheError: the file is shorter than committed, cannot be read, or does not hold what was written.
        """
        self._checked()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the file, so that other processes that want to append wait.

        Raises:
            StorageError: the folder cannot be written, or its file system cannot lock.
        """
        # A soft lock would outlive a killed process, so a file system without real locks is an error.
        lock = FileLock(self._folder / f"{self._name}.lock", fallback_to_soft=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                log.warning("waiting for another process that is filling %s", self._header)
                lock.acquire()
        except OSError as error:
            raise StorageError(
                f"cannot lock files in the feature cache folder {self._folder}: {error.strerror or error}. "
                "Choose another one, on a local disk that can be written."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _checked(self, blocks: int | None = None) -> dict:
        """The header, once the last `blocks` blocks (None: all) were compared with their checksums."""
        header = self._read_header()
        size, block_size = (count * self.width * 4 for count in (header["rows"], BLOCK))
        if size and (not self._data.exists() or self._data.stat().st_size < size):
            raise CacheError(f"the feature cache {self._data} is shorter than its header says; {self._remedy}")
        checks = list(enumerate(header["crc32"]))
        for block, crc in checks if blocks is None else checks[-blocks:]:
            at = block * block_size
            with self._readable():
                data = np.fromfile(self._data, np.uint8, min(block_size, size - at), offset=at)
            if zlib.crc32(data) != crc:
                raise CacheError(
                    f"the feature cache {self._data} is corrupt (the checksum of block {block} of {len(checks)} is "
                    f"wrong); {self._remedy}"
                )
        return header

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CacheError(
                f"the feature cache {self._data} cannot be read: {error.strerror or error}. Check its permissions, and "
                "that address space is not limited (ulimit -v)."
            ) from error

    @property
    def _remedy(self) -> str:
        return f"delete {self._data.name} and {self._header.name} there, and it is computed again."

    def _read_header(self) -> dict:
        fresh = {"format": _FORMAT, "stamp": self._stamp, "width": self.width, "rows": 0, "crc32": []}
        if not self._header.exists():
            return fresh
        try:
            known = parse_json(self._header.read_bytes())
            former = known["format"] in _FORMER
            sound = former or (known.keys() == fresh.keys() and _counts_agree(known["rows"], known["crc32"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            former = sound = False
        if former:
            raise CacheError(
                f"the feature cache {self._header} is of an earlier version; delete {self._name}*.bin and "
                f"{self._header.name} there, and it is computed again."
            )
        if not sound:
            raise CacheError(f"the header of the feature cache {self._header} is damaged; {self._remedy}")
        if (known["format"], known["stamp"], known["width"]) != (_FORMAT, self._stamp, self.width):
            raise CacheError(
                f"the feature cache {self._header} was made from something else (stamp {known['stamp']}, width "
                f"{known['width']}; expected {self._stamp} and {self.width}); {self._remedy}"
            )
        return known


def _counts_agree(rows: int, checks: list[int]) -> bool:
    return all(type(n) is int for n in (rows, *checks)) and rows >= 0 and len(checks) == -(-rows // BLOCK)


def _add_checks(checks: list[int], rows: int, new: np.ndarray) -> None:
    """Extend the checksums of `rows` rows by those of `new` [row, width]; a partial last block's grows."""
    while len(new):
        block, inside = divmod(rows, BLOCK)
        part = new[: BLOCK - inside]
        checks[block:] = [zlib.crc32(part, checks[block] if inside else 0)]
        rows, new = rows + len(part), new[len(part) :]
