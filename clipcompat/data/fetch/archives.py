"""Unpacking an archive that came over the network, as if it had been made to do harm.

Only regular files are written, under names made here, into a new folder. Refused are names that leave the folder,
links, devices, names that are no UTF-8, a file that occurs twice, and more content than pictures can honestly unpack
to.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from clipcompat.common.errors import DataError, StorageError
from clipcompat.common.progress import Progress

RATIO = 8
"""Unpacked bytes for each byte of an archive that pass as honest: JPEGs stay as large as they are, text shrinks."""
ROOM = 64 << 20
"""Bytes that pass in any case, so that a small archive of lists is no bomb."""
MEMBERS = 2_000_000
"""More files than any of the data sets has; ImageNet has 1.3 million."""

_BLOCK = 1 << 20
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError,
           NotImplementedError)  # fmt: skip
_Member = tuple[str, int, IO[bytes] | None]
"""Name, size that the archive states (no more is ever read from it), content; None for what is no regular file."""


def unpack(
    archive: Path, into: Path, keep: dict[str, str], progress: Progress | None = None, *, room: int = ROOM
) -> int:  # fmt: skip
    """Write the wanted files of a zip or tar (of any compression) under `into`; how many they were.

    Args:
        into: a folder that does not exist yet; it is gone again if the archive is refused.
        keep: what to take, folders or files by their path inside the archive, wherever it begins there ("images" also
            finds "dtd/images"), and where that goes under `into`; "." is `into` itself.
        progress: called with (MiB of the archive read, MiB of the archive, what).

    Raises:
        DataError: it is no archive, is damaged, is made to do harm, or holds nothing of what is wanted.
        StorageError: it cannot be written here.
    """
    most, total, count = RATIO * archive.stat().st_size + room, 0, 0
    found = dict.fromkeys(keep, False)
    try:
        into.mkdir(parents=True)
        with open(archive, "rb") as stream:
            for number, (name, size, content) in enumerate(_members(archive, stream), 1):
                path, total = _safe(name, archive), total + size
                if number > MEMBERS or total > most:
                    much = f"{MEMBERS:,} entries" if number > MEMBERS else f"{RATIO} times its own size"
                    raise _harm(archive, f"it unpacks to more than {much}")
                wanted, target = _target(path, keep)
                if progress and number % 100 == 0:
                    progress(stream.tell() >> 20, archive.stat().st_size >> 20, f"unpack {archive.name} (MiB)")
                if target is None:
                    continue
                if content is None:
                    raise _harm(archive, f"{name!r} is a link or a device")
                _write(content, into / target, archive)
                count, found[wanted] = count + 1, True
        missing = [name for name, there in found.items() if not there]
        if missing:
            raise DataError(f"{archive} holds no {missing[0]}, so it is another archive than expected. Fetch it again.")
    except BaseException as error:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(error, _DAMAGE):
            raise DataError(f"{archive} cannot be unpacked: {error}. Delete it and fetch again.") from error
        if isinstance(error, OSError):
            raise StorageError(
                f"{archive.name} could not be unpacked into {into.parent}: {error.strerror or error}. Nothing was left "
                "half-unpacked; free some space and run the same command."
            ) from error
        raise
    return count


def _members(archive: Path, stream: IO[bytes]) -> Iterator[_Member]:
    """Everything but folders."""
    if zipfile.is_zipfile(stream):
        stream.seek(0)
        with zipfile.ZipFile(stream) as packed:
            for info in packed.infolist():
                if info.is_dir():
                    continue
                kind = stat.S_IFMT(info.external_attr >> 16)
                if info.flag_bits & 1:
                    raise DataError(f"{archive} is encrypted; an open archive is needed. Fetch it again.")
                with packed.open(info) as content:
                    yield info.filename, info.file_size, content if kind in (0, stat.S_IFREG) else None
        return
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r:*") as packed:
        for member in packed:
            packed.members = []  # it remembers every entry otherwise
            if not member.isdir():
                yield member.name, member.size, packed.extractfile(member) if member.isreg() else None
        for _ in range(64):  # what little follows the last entry, so that the compression's own checksum is verified
            if not packed.fileobj.read(_BLOCK):
                break


def _safe(name: str, archive: Path) -> PurePosixPath:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise _harm(archive, f"the name {name!r} is not UTF-8") from error
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in path.parts[0]:
        raise _harm(archive, f"{name!r} would be written outside the folder")
    return path


def _target(path: PurePosixPath, keep: dict[str, str]) -> tuple[str, Path | None]:
    """Which wanted thing an entry belongs to, and where it goes; None for what is not wanted."""
    parts = path.parts
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):  # what a Mac adds, and a desktop's notes
        return "", None
    for name, to in keep.items():
        want = PurePosixPath(name).parts
        for start in range(len(parts) - len(want) + 1):
            if parts[start : start + len(want)] == want:
                return name, Path(to, *parts[start + len(want) :])
    return "", None


def _write(content: IO[bytes], target: Path, archive: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "xb") as stream:
            shutil.copyfileobj(content, stream, _BLOCK)
    except (FileExistsError, NotADirectoryError) as error:
        raise _harm(archive, f"{target.name} occurs twice in one folder") from error


def _harm(archive: Path, what: str) -> DataError:
    return DataError(
        f"{archive} is not unpacked: {what}. No data set needs that; delete the file and check where it comes from."
    )
