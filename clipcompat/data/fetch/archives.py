"""Unpack an archive that came over the network. Treat every archive as malicious.

Only regular files are written, into a new folder, under paths made here. Refused: names that leave the folder, links,
devices, names that are not UTF-8, files that occur twice, and more content than pictures can unpack to.
`tarfile.data_filter` checks less: it knows no zip, drops a leading "/" in silence, and accepts links and inner "..".
"""

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
from clipcompat.common.junk import is_junk
from clipcompat.common.progress import Progress

RATIO = 8
"""Unpacked bytes allowed per byte of the archive. JPEGs do not shrink, text does."""
ROOM = 64 << 20
"""Bytes allowed on top of that, for small archives of text."""
MEMBERS = 2_000_000
"""Entries allowed; ImageNet has 1.3 million pictures."""

_BLOCK = 1 << 20
# zipfile raises RuntimeError where an archive is encrypted or uses a compression it does not know
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError, RuntimeError)


def unpack(archive: Path, into: Path, keep: dict[str, str], progress: Progress | None = None) -> int:
    """Write the wanted files of a zip or a tar (of any compression) under `into`; return how many they are.

    Args:
        into: a folder that does not exist yet. It is removed again if the archive is refused.
        keep: wanted path -> its place under `into` ("." is `into` itself). A path names a file or a folder and may
            start at any depth of the archive: "images" also finds "dtd/images".
        progress: called with (MiB of the archive read, MiB of the archive, what).

    Raises:
        DataError: the archive is damaged, malicious, or lacks something wanted.
        StorageError: `into` cannot be written.
    """
    packed_size = archive.stat().st_size
    total, count, missing = 0, 0, dict.fromkeys(keep)
    try:
        into.mkdir(parents=True)
        with open(archive, "rb") as stream:
            for number, (name, size, content) in enumerate(_members(stream), 1):
                total += size
                if number > MEMBERS:
                    raise _harm(archive, f"it unpacks to more than {MEMBERS:,} entries")
                if total > RATIO * packed_size + ROOM:
                    raise _harm(archive, f"it unpacks to more than {RATIO} times its own size")
                if progress and number % 100 == 0:
                    progress(stream.tell() >> 20, packed_size >> 20, f"unpack {archive.name} (MiB)")
                wanted, target = _target(_safe(name, archive), keep)
                if target is None:
                    continue
                if content is None:
                    raise _harm(archive, f"{name!r} is a link or a device")
                _write(content, into / target, archive)
                count += 1
                missing.pop(wanted, None)
        if missing:
            raise DataError(f"{archive} holds no {next(iter(missing))}: it is another archive. Fetch it again.")
    except BaseException as error:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(error, _DAMAGE) or (isinstance(error, OSError) and error.errno is None):  # bz2 raises the latter
            raise DataError(f"{archive} cannot be unpacked: {error}. Delete it and fetch again.") from error
        if isinstance(error, OSError):
            raise StorageError(
                f"{archive.name} could not be unpacked into {into.parent}: {error.strerror or error}. Nothing was left "
                "half-unpacked; free some space and run the same command."
            ) from error
        raise
    return count


def _members(stream: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    """Name, stated size (no more is read) and content of every entry but folders; links and devices have None."""
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as packed:
            for info in packed.infolist():
                if info.filename and info.is_dir():  # zipfile fails on an empty name
                    continue
                regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
                with packed.open(info) as content:
                    yield info.filename, info.file_size, content if regular else None
        return
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r:*") as packed:
        for member in packed:
            packed.members = []  # or it remembers every entry
            if not member.isdir():
                yield member.name, member.size, packed.extractfile(member) if member.isreg() else None
        for _ in range(64):  # reading to the end verifies the checksum of the compression
            if not packed.fileobj.read(_BLOCK):
                break


def _safe(name: str, archive: Path) -> tuple[str, ...]:
    path = PurePosixPath(name)
    if name.encode(errors="ignore").decode() != name:
        raise _harm(archive, f"the name {name!r} is not UTF-8")
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name.partition("/")[0]:
        raise _harm(archive, f"{name!r} would be written outside the folder")
    if not path.parts:
        raise _harm(archive, f"the name {name!r} is no file's")
    if max(len(part.encode()) for part in path.parts) > 255:
        raise _harm(archive, f"{name[:40]!r}… is longer than a file's name can be")
    return path.parts


def _target(parts: tuple[str, ...], keep: dict[str, str]) -> tuple[str, Path | None]:
    """Which wanted path an entry belongs to, and its place under `into`; None if it is not wanted."""
    if not is_junk(PurePosixPath(*parts)):
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
    return DataError(f"{archive} is not unpacked: {what}. No data set needs that: delete it and check its source.")
