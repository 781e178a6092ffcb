"""Download one file, resume after a cut connection, and never keep a wrong file.

Bytes arrive in `<name>.part` beside the target. The next try, or the next run, asks the server for the rest (an HTTP
range request). The file gets its name when its checksum is right.
"""

import hashlib
import http.client
import logging
import socket
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from clipcompat.common.errors import ConfigError, DataError, StorageError
from clipcompat.common.progress import Progress
from clipcompat.common.version import __version__

_log = logging.getLogger(__name__)
_BLOCK = 1 << 20
_GONE = (401, 403, 404, 410, 451)
_TIMEOUT = 60.0
"""Seconds without an answer after which an attempt has failed."""


def download(
    url: str, path: Path, checksum: str, progress: Progress | None = None, *, tries: int = 6, wait: float = 2.0
) -> Path:
    """Fetch `url` as `path` and verify its checksum. A `path` that exists is only verified.

    Args:
        checksum: see `verify`.
        progress: called with (MiB done, MiB in all, what).
        tries: give up after so many attempts without a new byte.
        wait: seconds before the second attempt; each further pause is twice as long.

    Raises:
        ConfigError: not an http(s) address.
        DataError: the file is gone, the server cannot be reached, or the checksum is wrong (the file is deleted).
        StorageError: `path` cannot be written; what has arrived is kept for the next run.
    """
    if not url.startswith(("https://", "http://")):
        raise ConfigError(f"{url} cannot be downloaded: an address that starts with https:// or http:// is needed.")
    if path.exists():
        return verify(path, checksum)
    part = path.with_name(f"{path.name}.part")
    if (resumed := part.exists()) and not part.is_file():
        raise DataError(f"{part} is no regular file; remove it and run the same command.")
    _get(url, part, path, progress, tries, wait)
    wrong = _difference(part, checksum)
    if not wrong:
        return part.replace(path)
    part.unlink()
    if resumed:  # the first bytes may be of another version of the file: try once from the start
        return download(url, path, checksum, progress, tries=tries, wait=wait)
    raise DataError(
        f"what {url} serves {wrong}: it was cut short or altered on the way, or its source changed. Nothing was kept; "
        "fetch again, and if that fails too get the file elsewhere."
    )


def verify(path: Path, checksum: str) -> Path:
    """The path, if its file has this checksum: "md5:…", "sha256:…" or "git:…" (the hash git gives to a file).

    Raises:
        DataError: the file has another checksum; both are named.
    """
    if wrong := _difference(path, checksum):
        raise DataError(f"{path} {wrong}: it is another file, or only a part of it. Delete it and fetch again.")
    return path


def file_hash(path: Path, kind: str) -> str:
    """The hex digest of a file, read in blocks; `kind` is "md5", "sha256" or "git"."""
    with open(path, "rb") as stream:
        if kind != "git":
            return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
        sha = hashlib.sha1(f"blob {_size(path)}\0".encode(), usedforsecurity=False)
        while block := stream.read(_BLOCK):
            sha.update(block)
        return sha.hexdigest()


def _difference(path: Path, checksum: str) -> str:
    if not path.is_file():  # a named pipe would keep the reader waiting
        raise DataError(f"{path} is no regular file; remove it, and run the same command to fetch it.")
    kind, _, expected = checksum.partition(":")
    found = file_hash(path, kind)
    return "" if found == expected else f"has the {kind} checksum {found}, not {expected}"


def _get(url: str, part: Path, path: Path, progress: Progress | None, tries: int, wait: float) -> None:
    """Try until `part` is complete, as far as the server says."""
    failed = 0
    while True:
        before = _size(part)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if _attempt(url, part, progress, path.name):
                return
            why = f"the connection ended after {_size(part):,} bytes"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _GONE:
                raise DataError(
                    f"{url} is not served any more (HTTP {error.code}): get {path.name} elsewhere, put it at {path} "
                    "and run the same command; it is used if its checksum is right."
                ) from error
            why = f"the server answered HTTP {error.code}"
        except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            why = str(reason) or type(error).__name__
            if isinstance(reason, socket.gaierror):  # no network: waiting seldom helps
                tries = min(tries, 2)
        except OSError as error:
            raise StorageError(
                f"could not write {part}: {error.strerror or error}. What has arrived is kept: free some space and run "
                "the same command, which goes on from there."
            ) from error
        failed = 0 if _size(part) > before else failed + 1
        if failed >= tries:
            raise DataError(
                f"{url} could not be downloaded: {why}. {_size(part):,} bytes are kept; run the same command later, "
                "and it goes on from there."
            )
        pause = wait * 2 ** max(failed - 1, 0)
        _log.warning("%s: %s; trying again in %.0f s", path.name, why, pause)
        time.sleep(pause)


def _attempt(url: str, part: Path, progress: Progress | None, name: str) -> bool:
    """Append what the server sends to `part`; whether the file is then complete, as far as the server says."""
    have = _size(part)
    headers = {"User-Agent": f"clipcompat/{__version__}"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()
        if _number(error.headers.get("Content-Range", "").rpartition("/")[2]) == have:  # "bytes */200"
            return True
        part.unlink()  # longer than the file: these bytes are not its beginning
        return False
    with answer:
        start = 0  # a server without ranges sends all of it again
        if answer.status == 206:  # "bytes 100-199/200"
            start = _number(answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]) or 0
        if start not in (0, have):
            raise http.client.HTTPException(f"the server sent bytes from {start:,} on, not from {have:,}")
        length = _number(answer.headers.get("Content-Length", ""))
        total = None if length is None else start + length
        with open(part, "r+b" if start else "wb") as stream:
            done = stream.seek(start)
            while block := answer.read(_BLOCK):
                done += stream.write(block)
                if progress:
                    progress(done >> 20, (total or done) >> 20, f"{name} (MiB)")
            stream.truncate()
    return total is None or done >= total


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
