"""Append-only rows of float32 on disk with a committed length: a kill at any point loses and doubles nothing.

`NAME.bin` holds the rows. `NAME.head` (JSON; only records are named .json) holds the number of committed rows, their
width, their stamp, and one CRC-32 per block of rows. Rows are flushed to disk before the header is replaced atomically.
So bytes behind the committed rows are never read, and later rows overwrite them.

Some network file systems grant a lock to everybody. Then two processes write equal rows to equal places, so that no
committed row changes; the header of the slower one may go back to fewer rows, which are sound too.
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
from clipcompat.common.files import flush_folder, parse_json, to_json, write_atomic

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
        self._newest: dict | None = None  # of the headers that this object has read and written

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

    def append(self, rows: Tensor, at: int | None = None) -> None:
        """Write rows [row, width] behind the committed ones, then commit them, all or none.

        at: number of the first row (default: the committed ones). Rows that another process has committed meanwhile,
            which only a disk without working locks allows, are left as they are.

        Raises:
            CacheError: the header is damaged. StorageError: the rows could not be written; those before them are safe.
        """
        header = self._read_header()
        known, size = header["rows"], self.width * 4
        if at is not None and at > known:
            raise CacheError(f"the feature cache {self._data} was deleted while it was being filled; run again.")
        new = rows.detach().to("cpu", torch.float32).contiguous().numpy()[0 if at is None else known - at :]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(os.open(self._data, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as stream:
                stream.seek(known * size)
                stream.write(new)
                stream.flush()
                os.fsync(stream.fileno())
            if not known:
                flush_folder(self._folder)  # else a power cut could keep the header and lose the file
        except OSError as error:
            raise StorageError(
                f"could not add {new.nbytes:,} bytes to the feature cache {self._data}: {error.strerror or error}. "
                "The rows before them are safe; free some space, or pass another cache folder, and run again."
            ) from error
        header = header | {"rows": known + len(new), "crc32": _with_checks(header["crc32"], known, new)}
        write_atomic(self._header, to_json(header))
        self._newest = header

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
        with self._readable(self._data), open(self._data, "rb") as stream:
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
        with self._readable(self._data):
            here = self._data.stat().st_size if self._data.exists() else 0
        if here < size:
            raise CacheError(f"the feature cache {self._data} is shorter than its header says; {self._remedy}")
        checks = list(enumerate(header["crc32"]))
        for block, crc in checks if blocks is None else checks[-blocks:]:
            at = block * block_size
            with self._readable(self._data), open(self._data, "rb") as stream:
                stream.seek(at)
                data = stream.read(min(block_size, size - at))
            if zlib.crc32(data) != crc:
                raise CacheError(
                    f"the feature cache {self._data} is corrupt (the checksum of block {block} of {len(checks)} is "
                    f"wrong); {self._remedy}"
                )
        return header

    @contextmanager
    def _readable(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CacheError(
                f"the feature cache {path} cannot be read: {error.strerror or error}. Check its permissions, and "
                "that address space is not limited (ulimit -v)."
            ) from error

    @property
    def _remedy(self) -> str:
        return f"delete {self._data.name} and {self._header.name} there, and it is computed again."

    def _read_header(self) -> dict:
        fresh = {"format": _FORMAT, "stamp": self._stamp, "width": self.width, "rows": 0, "crc32": []}
        with self._readable(self._header):
            text = self._header.read_bytes() if self._header.exists() else None
        if text is None:
            self._newest = None
            return fresh
        try:
            known = parse_json(text)
            former = known["format"] in _FORMER
            sound = former or (known.keys() == fresh.keys() and _counts_agree(known["rows"], known["crc32"]))
        except (ValueError, KeyError, TypeError, AttributeError):
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
        if self._newest and 0 < known["rows"] < self._newest["rows"]:
            return self._newest  # another process has put its own back, see above
        self._newest = known
        return known


def _counts_agree(rows: int, checks: list[int]) -> bool:
    return all(type(n) is int for n in (rows, *checks)) and rows >= 0 and len(checks) == -(-rows // BLOCK)


def _with_checks(checks: list[int], rows: int, new: np.ndarray) -> list[int]:
    """The checksums of `rows` rows and those of `new` [row, width] behind them; a partial last block's grows."""
    checks = list(checks)
    while len(new):
        block, inside = divmod(rows, BLOCK)
        part = new[: BLOCK - inside]
        checks[block:] = [zlib.crc32(part, checks[block] if inside else 0)]
        rows, new = rows + len(part), new[len(part) :]
    return checks
