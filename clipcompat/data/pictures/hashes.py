"""The content of picture files as hashes, so that a stamp follows what a picture shows, whatever its size and name."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from clipcompat.common.errors import DataError
from clipcompat.common.files import hash_file
from clipcompat.common.progress import Progress
from clipcompat.data.pictures.hash_memory import HashMemory
from clipcompat.data.pictures.opening import workers

_AT_ONCE = 1024  # files hashed between two commits to the memory
_SETTLED = 2_000_000_000  # ns; the coarsest time stamps of a file system (FAT's) are 2 s apart


class FileHash(NamedTuple):
    """The hash of a file's bytes, and the state in which the file had them.

    state: size, inode, and times of the last change of content and of the inode, as text. The latter cannot be set
    back, so that it tells a change even where a tool restores the time of the former.
    settled: the file had been left alone for 2 s when it was read. Else a later change within one tick of the file
    system's clock would leave the same state. (git calls such files racy.)
    """

    hash: str
    state: str
    settled: bool = True


def hash_files(
    root: Path,
    paths: Sequence[str],
    memory: Path | str | None = None,
    progress: Progress | None = None,
    what: str = "reading pictures",
) -> dict[str, FileHash]:
    """The hash of every file, by path. Files are read in parallel, in blocks of 256 KiB.

    Args:
        paths: posix paths relative to `root`.
        memory: the folder of a `HashMemory`; a file that has the state that is remembered there is not read.
        progress: called for every file that is read.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    found: dict[str, FileHash] = {}
    remembered, place = None if memory is None else HashMemory(memory), os.path.realpath(root)
    if remembered:
        states = {path: file_state(root / path) for path in paths}
        known = remembered.find({f"{place}/{path}": state for path, state in states.items()})
        found = {path: FileHash(h, states[path]) for path in paths if (h := known.get(f"{place}/{path}"))}
    new = [path for path in paths if path not in found]
    with ThreadPoolExecutor(workers()) as pool:
        for start in range(0, len(new), _AT_ONCE):
            batch = new[start : start + _AT_ONCE]
            for done, file in enumerate(pool.map(read_hash, [root / path for path in batch]), 1):
                found[batch[done - 1]] = file
                if progress:
                    progress(start + done, len(new), what)
            if remembered:
                remembered.add((f"{place}/{p}", found[p].state, found[p].hash) for p in batch if found[p].settled)
    return found


def read_hash(path: Path) -> FileHash:
    """The hash of one file as it is now.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    try:
        now, status = time.time_ns(), os.stat(path)  # before reading: what is changed meanwhile has another state then
        hash = hash_file(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return FileHash(hash, _state(status), max(status.st_mtime_ns, status.st_ctime_ns) < now - _SETTLED)


def file_state(path: Path) -> str:
    """What tells without reading that a file was left alone; see `FileHash`.

    Raises:
        DataError: the file is missing.
    """
    try:
        return _state(os.stat(path))
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> DataError:
    """A picture that is missing or cannot be read."""
    return DataError(
        f"the picture {path} cannot be read: {error.strerror or error}. "
        "Check that the whole image folder was copied to this machine."
    )


def _state(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"
