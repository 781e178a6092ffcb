"""Downloading one file so that a cut connection costs little and a wrong file is never kept.

What has arrived lies beside the target as `<name>.part`. The next try, or the next run, asks the server for the rest
(HTTP range request); the file gets its name only when its checksum is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import logging
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from clipcompat.common.errors import ConfigError, DataError, StorageError
from clipcompat.common.progress import Progress
from clipcompat.common.version import __version__

_log = logging.getLogger(__name__)
_BLOCK = 1 << 20
_GONE = (401, 403, 404, 410, 451)


def download(
    url: str, path: Path, checksum: str, progress: Progress | None = None, *,
    tries: int = 6, wait: float = 2.0, timeout: float = 60.0,
) -> Path:  # fmt: skip
    """The file at `url` as `path`, its checksum verified; nothing is fetched if it is there already.

    Args:
        checksum: see `verify`.
        tries: attempts without a single new byte before giving up; `wait` seconds, doubled each time, lie between.
        timeout: seconds without an answer after which an attempt has failed.

    Raises:
        DataError: the file is gone, the server cannot be reached, or what came has another checksum (it is deleted).
        StorageError: it cannot be written here; what has arrived stays for the next run.
    """
    if not url.startswith(("https://", "http://")):
        raise ConfigError(f"{url} cannot be downloaded: an address that starts with https:// or http:// is needed.")
    if path.exists():
        return verify(path, checksum)
    part = path.with_name(f"{path.name}.part")
    resumed = part.exists()
    _get(url, part, path, progress, tries, wait, timeout)
    wrong = _difference(part, checksum)
    if not wrong:
        os.replace(part, path)
        return path
    part.unlink()
    if resumed:  # an earlier run may have begun another version of the file: once more, from its start
        return download(url, path, checksum, progress, tries=tries, wait=wait, timeout=timeout)
    raise DataError(
        f"what {url} serves {wrong}: it was cut short or altered on the way, or its source changed. Nothing was kept; "
        "fetch again, and if it stays so get the file elsewhere."
    )


def verify(path: Path, checksum: str) -> Path:
    """The path, if the file has this checksum.

    Args:
        checksum: "md5:…", "sha256:…", or "git:…", the name that git gives a file's content (sha1 over a header and it).

    Raises:
        DataError: it has another one; both are named.
    """
    wrong = _difference(path, checksum)
    if wrong:
        raise DataError(f"{path} {wrong}: it is another file, or only a part of it. Delete it and fetch again.")
    return path


def file_hash(path: Path, kind: str) -> str:
    """The hex digest of a file's content, read in blocks; for the kinds see `verify`."""
    with open(path, "rb") as stream:
        if kind != "git":
            return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
        sha = hashlib.sha1(f"blob {os.fstat(stream.fileno()).st_size}\0".encode(), usedforsecurity=False)
        while block := stream.read(_BLOCK):
            sha.update(block)
        return sha.hexdigest()


def _difference(path: Path, checksum: str) -> str:
    kind, _, expected = checksum.partition(":")
    found = file_hash(path, kind)
    return "" if found == expected else f"has the {kind} checksum {found}, not {expected}"


def _get(
    url: str, part: Path, path: Path, progress: Progress | None, tries: int, wait: float, timeout: float
) -> None:  # fmt: skip
    """Try until all of the file is in `part`, as far as the server says."""
    failed = 0
    while True:
        before = _size(part)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if _attempt(url, part, progress, path.name, timeout):
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
            why = str(getattr(error, "reason", error)) or type(error).__name__
            if isinstance(getattr(error, "reason", None), socket.gaierror):  # no network: waiting seldom helps
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


def _attempt(url: str, part: Path, progress: Progress | None, name: str, timeout: float) -> bool:
    """Append to `part` what the server gives; whether the file is then complete, as far as the server says."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": f"clipcompat/{__version__}"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()
        if _total(error.headers.get("Content-Range")) == have:  # all of it had arrived, only the name was missing
            return True
        part.unlink()  # more than there is: not a beginning of this file
        return False
    with contextlib.closing(answer):
        start = _start(answer) if answer.status == 206 else 0
        if start not in (0, have):
            raise http.client.HTTPException(f"the server sent bytes from {start:,} on, not from {have:,}")
        total = _length(answer)
        total = None if total is None else total + start
        # a server without ranges sends everything again: begin again
        with open(part, "r+b" if start else "wb") as stream:
            stream.seek(start)
            done = start
            while block := answer.read(_BLOCK):
                stream.write(block)
                done += len(block)
                if progress:
                    progress(done >> 20, (total or done) >> 20, f"{name} (MiB)")
            stream.truncate()
    return total is None or done >= total


def _start(answer: Any) -> int:
    """The 100 of `Content-Range: bytes 100-199/200`."""
    text = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdigit() else 0


def _total(content_range: str | None) -> int | None:
    """The 200 of `Content-Range: bytes */200`."""
    text = (content_range or "").rpartition("/")[2]
    return int(text) if text.isdigit() else None


def _length(answer: Any) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
