"""Append-only rows of float32 on disk with a committed length: a kill loses and doubles nothing.

Rows lie in shards `NAME-00000.bin`, `NAME-00001.bin`, … of at most a gibibyte; `NAME.head` (JSON; not named so, as
records are) says how many rows are committed, their width, and the CRC-32 of each shard. Rows are written and flushed
before the header is replaced atomically, so bytes beyond the committed length are never believed.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from clipcompat.common.errors import CacheError, StorageError
from clipcompat.common.files import to_json, write_atomic
from clipcompat.features.mapped import PAGE, map_files

log = logging.getLogger(__name__)

_FORMAT = "clipcompat-features-2"
_SHARD_BYTES = 1 << 30
_STEP = PAGE // 4  # shards of whole steps of rows are whole pages, whatever the width


class FeatureFile:
    """Rows [row, width] on disk, read through a memory map.

    Args:
        folder, name: where; the folder is made when rows are first written.
        width: values a row. stamp: what the rows were made from; a file with another one is refused.
        shard_bytes: the largest size of a new cache's shards, but for shards of 16,384 rows, which are the smallest.
    """

    def __init__(self, folder: str | Path, name: str, width: int, stamp: str, shard_bytes: int = _SHARD_BYTES):
        self._folder, self._name = Path(folder), name
        self._header = self._folder / f"{name}.head"
        self._width, self._stamp = width, stamp
        self._new_shard_rows = max(_STEP, shard_bytes // (width * 4) // _STEP * _STEP)

    @classmethod
    def open(cls, header: str | Path) -> FeatureFile:
        """The cache of an existing header, whatever it was made from.

        Raises:
            CacheError: the header is damaged.
        """
        header = Path(header)
        try:
            known = json.loads(header.read_text())
            width, stamp = max(1, int(known["width"])), str(known["stamp"])
        except (OSError, ValueError, KeyError, TypeError):
            width, stamp = 1, ""  # reading it again below says what is wrong with it
        file = cls(header.parent, header.stem, width, stamp)
        file.rows()
        return file

    @property
    def width(self) -> int:
        """Values a row."""
        return self._width

    def rows(self) -> int:
        """Committed rows; 0 where there is no file yet."""
        return self._read_header()["rows"]

    def append(self, rows: Tensor) -> None:
        """Write rows [row, width] behind the committed ones, then commit them, all or none."""
        header = self._read_header()
        rows = rows.detach().to("cpu", torch.float32).contiguous()
        size = rows.numel() * 4
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            while len(rows):
                shard, at = divmod(header["rows"], header["shard_rows"])
                part, rows = rows.split([n := min(len(rows), header["shard_rows"] - at), len(rows) - n])
                data = part.numpy().tobytes()
                self._write(shard, at * self._width * 4, data)
                checks = header["crc32"]
                checks[shard:] = [zlib.crc32(data, checks[shard] if at else 0)]
                header["rows"] += n
        except OSError as error:
            raise StorageError(
                f"could not add {size:,} bytes to the feature cache {self._folder / self._name}: "
                f"{error.strerror or error}. The rows before them are safe; free some space, or pass another cache "
                "folder, and run again."
            ) from error
        write_atomic(self._header, to_json(header))

    def read(self, rows: int) -> Tensor:
        """The first `rows` rows, [rows, width], memory-mapped.

        Checked are the size of every shard and the CRC of the last one, which is the one that grows; a cache of one
        shard is checked whole in a second at most. `verify` checks all shards.

        Raises:
            CacheError: a shard is shorter than committed, or its bytes are not those that were written.
        """
        header = self._read_header()
        shards = len(header["crc32"])
        for shard in range(shards):
            path = self._shard(shard)
            if not path.exists() or path.stat().st_size < self._size(header, shard):
                raise CacheError(f"the feature cache {path} is shorter than its header says; {self._remedy}")
        if shards:
            self._check(header, shards - 1)
        count = header["rows"] * self._width
        paths = [self._shard(shard) for shard in range(shards)]
        return map_files(paths, header["shard_rows"] * self._width * 4, count).view(-1, self._width)[:rows]

    def verify(self) -> None:
        """Read everything that is committed and compare it with its checksums; about a second a gibibyte.

        Raises:
            CacheError: a shard is shorter than committed, or its bytes are not those that were written.
        """
        self.read(0)
        header = self._read_header()
        for shard in range(len(header["crc32"]) - 1):
            self._check(header, shard)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file against other processes that would append to it; they wait."""
        lock = self._folder / f"{self._name}.lock"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            stream = open(lock, "w")
        except OSError as error:
            raise StorageError(
                f"cannot use the feature cache folder {lock.parent}: {error.strerror or error}. Choose another one."
            ) from error
        with stream:
            try:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    log.warning("waiting for another process that is filling %s", self._header)
                    fcntl.flock(stream, fcntl.LOCK_EX)
            except OSError as error:
                raise StorageError(
                    f"the feature cache folder {lock.parent} cannot lock files ({error.strerror or error}). "
                    "Choose one on a local disk."
                ) from error
            yield

    def _shard(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:05d}.bin"

    def _size(self, header: dict, shard: int) -> int:
        """Committed bytes of a shard."""
        return min(header["shard_rows"], header["rows"] - shard * header["shard_rows"]) * self._width * 4

    def _write(self, shard: int, offset: int, data: bytes) -> None:
        path = self._shard(shard)
        with open(path, "r+b" if path.exists() else "w+b") as stream:
            stream.truncate(offset)  # drops what a kill left uncommitted
            stream.seek(offset)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    def _check(self, header: dict, shard: int) -> None:
        crc, left = 0, self._size(header, shard)
        with open(self._shard(shard), "rb") as stream:
            while left and (block := stream.read(min(left, 1 << 24))):
                crc, left = zlib.crc32(block, crc), left - len(block)
        if left or crc != header["crc32"][shard]:
            raise CacheError(
                f"the feature cache {self._shard(shard)} is corrupt (its checksum is wrong); {self._remedy}"
            )

    @property
    def _remedy(self) -> str:
        return f"delete {self._name}-*.bin and {self._header.name} there, and it is computed again."

    def _read_header(self) -> dict:
        fresh = {"format": _FORMAT, "stamp": self._stamp, "width": self._width, "rows": 0, "crc32": [],
                 "shard_rows": self._new_shard_rows}  # fmt: skip
        if not self._header.exists():
            return fresh
        try:
            found = json.loads(self._header.read_text())
            if found["format"] == "clipcompat-features-1":
                raise CacheError(
                    f"the feature cache {self._header} is of an earlier version, which kept everything in one file; "
                    f"delete {self._name}.bin and {self._header.name} there, and it is computed again."
                )
            known = {name: found[name] for name in fresh}
            rows, step, checks = known["rows"], known["shard_rows"], known["crc32"]
            sound = all(type(n) is int for n in (rows, step, *checks)) and rows >= 0 and step > 0 and step % _STEP == 0
            sound = sound and len(checks) == -(-rows // step)
        except CacheError:
            raise
        except (OSError, ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise CacheError(f"the header of the feature cache {self._header} is damaged; {self._remedy}")
        if (known["format"], known["stamp"], known["width"]) != (_FORMAT, self._stamp, self._width):
            raise CacheError(
                f"the feature cache {self._header} was made from something else (stamp {known['stamp']}, width "
                f"{known['width']}; expected {self._stamp} and {self._width}); {self._remedy}"
            )
        return known
