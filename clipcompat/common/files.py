"""Writing files so that a reader never sees half of one, reading JSON that anyone may have written, and hashes."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from clipcompat.common.errors import ClipcompatError, DataError, StorageError

_DEEPEST = 100  # levels of nested JSON; no file that this library reads has ten


def write_atomic(path: str | Path, content: bytes | memoryview | str) -> Path:
    """Write `content` under a temporary name in the same folder, flush it to disk, then rename and flush that too.

    A reader of `path` sees the old file or the whole new one, whatever happens in between. After the call it is the
    new one even if power fails.

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
        flush_folder(path.parent)
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


def flush_folder(folder: str | Path) -> None:
    """Flush the names in a folder to disk: what was made, renamed or removed there. Does nothing where that fails."""
    with contextlib.suppress(OSError):  # Windows opens no folder, and some network file systems flush none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def refuse_overwriting(path: str | Path, force: bool = False, inputs: Iterable[str | Path | None] = ()) -> None:
    """Call this before work whose result goes to a file that the user named.

    force: another file of this name may be lost.
    inputs: files that the work reads, or folders of such files; they may never be lost. None is skipped.

    Raises:
        StorageError: `path` is an input; or it exists and `force` is False; or it is no ordinary file.
    """
    if not os.path.lexists(path):
        return
    for given in inputs:
        if given is not None and _is_in(path, os.path.expanduser(given)):
            raise StorageError(f"{path} is read here ({given}); choose another file, or the result overwrites it.")
    if os.path.exists(path) and not os.path.isfile(path):
        what = "a folder" if os.path.isdir(path) else "no ordinary file"
        raise StorageError(f"the result is one file, and {path} is {what}; choose another name.")
    if not force:
        raise StorageError(
            f"{path} exists and would be lost; choose another name, or say --force (in Python: force=True)."
        )


def _is_in(path: str | Path, given: str | Path) -> bool:
    """Whether a file is this one by whatever name, or lies in this folder."""
    if not (os.path.exists(path) and os.path.exists(given)):
        return False
    if os.path.samefile(path, given):
        return True
    return os.path.isdir(given) and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(given))


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


def parse_json(text: str | bytes, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text. hook: `object_pairs_hook` of `json.loads`.

    Raises:
        ValueError: it is no JSON, or so deeply nested that a later step could run out of stack.
    """
    try:
        value = json.loads(text, object_pairs_hook=hook)
    except RecursionError:
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep") from None
    level, depth = [value], 0
    while nested := [part for part in level if isinstance(part, dict | list)]:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
        level = [part for parts in nested for part in (parts.values() if isinstance(parts, dict) else parts)]
    return value


def read_json(path: str | Path, error: type[ClipcompatError], todo: str, hook: Callable[..., Any] | None = None) -> Any:
    """The value in a JSON file in UTF-8, with or without a byte-order mark.

    todo: what to do, as the end of an error. hook: as for `parse_json`.

    Raises:
        error: the file cannot be read, or is not JSON.
    """
    try:
        return parse_json(Path(path).read_text(encoding="utf-8-sig"), hook)
    except OSError as caught:
        raise error(f"{path} cannot be read: {caught.strerror or caught}. {todo}".rstrip()) from caught
    except UnicodeDecodeError as caught:
        raise error(f"{path} is not a text file in UTF-8: {caught}. {todo}".rstrip()) from caught
    except ValueError as caught:
        raise error(f"{path} is not JSON: {caught}. {todo}".rstrip()) from caught


def digest(value: Any) -> str:
    """A 16-hex-digit name of a JSON-able value.

    Raises:
        DataError: a text in it has no UTF-8, as a name in another encoding has, or half a pair of surrogates; a number
            is not finite.
    """
    try:
        return hashlib.sha256(to_json(value, indent=None).encode()).hexdigest()[:16]
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 20) : error.start + 20]
        raise DataError(
            f"a text is not UTF-8, so it would not be the same on every machine: {ascii(around)}. Write it in UTF-8."
        ) from error
    except ValueError as error:
        raise DataError(f"{error}: a number is not finite, and JSON has no such numbers.") from error


def hash_file(path: str | Path) -> str:
    """sha256 of a file's bytes, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
