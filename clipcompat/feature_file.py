"""An append-only file of float32 rows with a committed length: a kill loses and doubles nothing.

`NAME.bin` holds rows, `NAME.head` (JSON; not named so, as records are) says how many of them are committed, their width
and their running CRC-32. Rows are written and flushed before the header is replaced atomically, so bytes beyond the
committed length are never believed.
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

from clipcompat.errors import CacheError, StorageError
from clipcompat.files import to_json, write_atomic

log = logging.getLogger(__name__)

_FORMAT = "clipcompat-features-1"


class FeatureFile:
    """Rows [row, width] on disk, read through a memory map.

    Args:
        folder, name: where; the folder is made when rows are first written.
        width: values a row. stamp: what the rows were made from; a file with another one is refused.
    """

    def __init__(self, folder: str | Path, name: str, width: int, stamp: str):
        self._data, self._header = Path(folder, f"{name}.bin"), Path(folder, f"{name}.head")
        self._width, self._stamp = width, stamp

    def rows(self) -> int:
        """Committed rows; 0 where there is no file yet."""
        return self._read_header()["rows"]

    def append(self, rows: Tensor) -> None:
        """Write rows [row, width] behind the committed ones, then commit them."""
        header = self._read_header()
        data = rows.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
        offset = header["rows"] * self._width * 4
        try:
            self._data.parent.mkdir(parents=True, exist_ok=True)
            with open(self._data, "r+b" if self._data.exists() else "w+b") as stream:
                stream.truncate(offset)  # drops what a kill left uncommitted
                stream.seek(offset)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StorageError(
                f"could not add {len(data):,} bytes to the feature cache {self._data}: {error.strerror or error}. "
                "The rows before them are safe; free some space, or pass another cache folder, and run again."
            ) from error
        header.update(rows=header["rows"] + len(rows), crc32=zlib.crc32(data, header["crc32"]))
        write_atomic(self._header, to_json(header))

    def read(self, rows: int) -> Tensor:
        """The first `rows` rows, [rows, width], memory-mapped; checked against the CRC of everything committed.

        Raises:
            CacheError: the file is shorter than committed, or its bytes are not those that were written.
        """
        header = self._read_header()
        size = header["rows"] * self._width * 4
        if size == 0:
            return torch.zeros(0, self._width)
        if not self._data.exists() or self._data.stat().st_size < size:
            raise CacheError(f"the feature cache {self._data} is shorter than its header says; {self._remedy}")
        crc = 0
        with open(self._data, "rb") as stream:
            left = size
            while left:
                block = stream.read(min(left, 1 << 24))
                crc, left = zlib.crc32(block, crc), left - len(block)
        if crc != header["crc32"]:
            raise CacheError(f"the feature cache {self._data} is corrupt (its checksum is wrong); {self._remedy}")
        count = header["rows"] * self._width
        # shared=False: a private map, so nobody can write to the cache through the tensor
        mapped = torch.from_file(str(self._data), shared=False, size=count, dtype=torch.float32)
        return mapped.view(-1, self._width)[:rows]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file against other processes that would append to it; they wait."""
        lock = self._data.with_suffix(".lock")
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
                    log.warning("waiting for another process that is filling %s", self._data)
                    fcntl.flock(stream, fcntl.LOCK_EX)
            except OSError as error:
                raise StorageError(
                    f"the feature cache folder {lock.parent} cannot lock files ({error.strerror or error}). "
                    "Choose one on a local disk."
                ) from error
            yield

    @property
    def _remedy(self) -> str:
        return f"delete {self._data.name} and {self._header.name} there, and it is computed again."

    def _read_header(self) -> dict:
        fresh = {"format": _FORMAT, "stamp": self._stamp, "width": self._width, "rows": 0, "crc32": 0}
        if not self._header.exists():
            return fresh
        try:
            header = json.loads(self._header.read_text())
            known = {name: header[name] for name in fresh}
            sound = isinstance(known["rows"], int) and known["rows"] >= 0 and isinstance(known["crc32"], int)
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
