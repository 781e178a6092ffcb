"""Writing files so that a reader never sees half of one, and naming content by its hash."""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from clipcompat.common.errors import StorageError


def write_atomic(path: str | Path, content: bytes | str) -> Path:
    """Write `content` under a temporary name in the same folder, flush it to disk, then rename.

    A reader of `path` sees the old file or the whole new one, whatever happens in between.

    Raises:
        StorageError: the disk is full, the folder cannot be written, …; the temporary file is gone.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files private; results are meant to be read
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if not isinstance(error, OSError):  # Ctrl-C, say
            raise
        raise StorageError(
            f"could not write {path} ({len(data):,} bytes): {error.strerror or error}. Nothing was left half-written; "
            "free some space or choose another folder, then run again."
        ) from error
    return path


def check_writable(folder: str | Path) -> None:
    """Make the folder if it is missing, and write something there that is gone at once.

    Raises:
        StorageError: nothing can be written there.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"results cannot be written to {folder}: {error.strerror or error}. Choose another folder (--out)."
        ) from error


def shortened(name: str, longest: int = 100) -> str:
    """The beginning of a name, at most so many bytes of UTF-8; a file system takes 255 for a whole name."""
    return name.encode()[:longest].decode(errors="ignore")


def to_json(value: Any, indent: int | None = 1) -> str:
    """JSON with sorted keys, so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, indent=indent, ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """A 16-hex-digit name of a JSON-able value."""
    return hashlib.sha256(to_json(value, indent=None).encode()).hexdigest()[:16]


def hash_file(path: str | Path) -> str:
    """sha256 of a file's bytes, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
