"""Hashes of files on disk, so that an unchanged file need not be read again. A convenience: it never raises."""

import contextlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_TABLE = "CREATE TABLE IF NOT EXISTS hashes (path BLOB PRIMARY KEY, state TEXT, hash TEXT, crc32 INTEGER) WITHOUT ROWID"
_WAIT = 5.0  # seconds for another process; a commit takes milliseconds

# The file is busy, or its folder or disk is at fault; anything else that SQLite says is about what the file holds.
_ELSEWHERE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


class HashMemory:
    """`pictures.sqlite3` in a folder: the hash of every file, and the state that the file had then.

    SQLite keeps it whole if several processes write or one is killed. If it cannot be read, nothing is known; if it
    cannot be written, nothing is kept; if it is damaged, a warning says so and it is begun again.
    """

    def __init__(self, folder: str | Path):
        self._file, self._usable = Path(folder) / "pictures.sqlite3", True

    def find(self, states: Mapping[str, str]) -> dict[str, str]:
        """The hashes of the files that are in the same state again.

        states: absolute path -> state.
        """

        def look(connection: sqlite3.Connection) -> dict[str, str]:
            found = {}
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'hashes'").fetchone():
                return found  # another process is about to make it
            for path, state in states.items():
                row = connection.execute("SELECT * FROM hashes WHERE path = ?", (os.fsencode(path),)).fetchone()
                if row and row[-1] != _check(row[:-1]):
                    raise sqlite3.DatabaseError(f"the entry of {path} is not what was written")
                if row and row[1] == state:
                    found[path] = row[2]
            return found

        return self._use(look) or {} if self._file.exists() else {}

    def add(self, files: Iterable[tuple[str, str, str]]) -> None:
        """Remember some (absolute path, state, hash), all or none."""
        rows = [(os.fsencode(path), state, hash) for path, state, hash in files]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute(_TABLE)
                checked = [(*row, _check(row)) for row in rows]
                connection.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", checked)

        if rows:
            with contextlib.suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
            self._use(write)

    def _use(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """The result of `work`; None where the file cannot be used, which is then not tried again."""
        if not self._usable:
            return None
        try:
            with contextlib.closing(sqlite3.connect(self._file, timeout=_WAIT)) as connection:
                return work(connection)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _ELSEWHERE:
                self._usable = False
                log.info("%s is not used: %s", self._file, error)
            else:
                log.warning(
                    "%s, which spares reading unchanged pictures, is damaged (%s). Begun again.", self._file, error
                )
                with contextlib.suppress(OSError):
                    self._file.unlink()
            return None


def _check(row: tuple[Any, ...]) -> int:
    """SQLite itself has no checksums."""
    return zlib.crc32(repr(row).encode())
