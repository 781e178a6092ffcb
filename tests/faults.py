"""A disk that fails: file calls below one folder, counted, refused, watched, and undone as a power cut undoes them."""

from __future__ import annotations

import builtins
import errno
import io
import mmap
import os
import random
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Before = Callable[[str, Path], None]
"""Called with the name and the path of every file call before it is made. What it raises, the call raises."""


class Failing:
    """A disk whose call number `at` (from 1) fails, and for ever all that follow it."""

    def __init__(self, at: int, error: int, for_ever: bool):
        self.calls, self._at, self._error, self._for_ever = 0, at, error, for_ever

    def __call__(self, name: str, path: Path) -> None:
        self.calls += 1
        if self.calls == self._at or (self._for_ever and self.calls > self._at):
            raise OSError(self._error, os.strerror(self._error), str(path))


_FOLDER = -1  # in place of the number of a content
FAILURES = [(error, for_ever) for error in (errno.ENOSPC, errno.EIO) for for_ever in (False, True)]


class Disk:
    """The file calls of Python below `folder`, as long as `with disk.in_use():` lasts.

    `log` is what reached the operating system, in order: entries of folders, data of files, and what was flushed.
    Making a folder counts as flushed. Reads of safetensors and SQLite are not seen.
    """

    def __init__(self, folder: Path, before: Before = lambda name, path: None):
        self._folder, self._before = folder, before
        self._files: dict[int, tuple[Path, int]] = {}  # open file -> path, number of its content
        self._named = {path: n for n, path in enumerate(p for p in folder.rglob("*") if p.is_file())}
        self._first = {n: path.read_bytes() for path, n in self._named.items()}
        self._begin = dict(self._named)
        self.log: list[tuple] = []

    @contextmanager
    def in_use(self) -> Iterator[Disk]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("mkdir", "unlink", "chmod", "replace", "stat", "open"):
                patch.setattr(os, name, self._watched(name, getattr(os, name)))
            for name in ("fsync", "close"):
                patch.setattr(os, name, self._watched_handle(name, getattr(os, name)))
            patch.setattr(mmap, "mmap", self._watched_handle("mmap", mmap.mmap))
            opened = self._opening(io.open)
            patch.setattr(io, "open", opened)
            patch.setattr(builtins, "open", opened)
            yield self

    def after_power_loss(self, cut: int, rng: random.Random) -> dict[Path, bytes]:
        """Path -> content, if power fails after `cut` entries of the log.

        Of what was not flushed, any part may be on the disk, in any order; of an unflushed write, any first part.
        """
        log = self.log[:cut]
        content = {n: bytearray(data) for n, data in self._first.items()}
        named: dict[Path, int | None] = dict(self._begin)
        for number, (kind, what, *more) in enumerate(log):
            later = log[number:]
            if kind == "entry" and (rng.random() < 0.5 or all(("flushed", p.parent) in later for p in what)):
                named |= what
            if kind == "data":
                at, data = more
                flushed = ("flushed", what) in later
                data = data if flushed or rng.random() < 0.3 else data[: rng.randrange(len(data) + 1)]
                file = content.setdefault(what, bytearray())
                file.extend(bytes(max(0, at + len(data) - len(file))))
                file[at : at + len(data)] = data
        return {path: bytes(content.get(n, b"")) for path, n in named.items() if n is not None}

    def step(self, name: str, path: Path) -> None:
        self._before(name, path)

    def flushed(self, number: int, at: int, data: bytes) -> None:
        self.log.append(("data", number, at, data))

    def forget(self, handle: int) -> None:
        self._files.pop(handle, None)

    def _path(self, given: Any) -> Path | None:
        """The path, if it is one below the folder."""
        if isinstance(given, int) or not isinstance(given, str | os.PathLike):
            return None
        path = Path(os.path.abspath(given))
        return path if path.is_relative_to(self._folder) else None

    def _watched(self, name: str, call: Callable) -> Callable:
        def watched(given: Any, *more: Any, **options: Any) -> Any:
            path = self._path(given)
            if path is None:
                return call(given, *more, **options)
            self.step(name, path)
            new = name == "open" and path not in self._named
            result = call(given, *more, **options)
            if name == "open" and stat.S_ISDIR(os.fstat(result).st_mode):
                self._files[result] = path, _FOLDER
            elif name == "open":
                self._opened(result, path, new)
            elif name == "unlink":
                self._entry({path: None})
            elif name == "replace":
                self._entry({path: None, Path(os.path.abspath(more[0])): self._named[path]})
            return result

        return watched

    def _watched_handle(self, name: str, call: Callable) -> Callable:
        def watched(handle: int, *more: Any, **options: Any) -> Any:
            path, number = self._files.get(handle, (None, _FOLDER))
            if path is not None and name != "close":
                self.step(name, path)
            if name == "close":
                self.forget(handle)
            result = call(handle, *more, **options)
            if path is not None and name == "fsync":
                self.log.append(("flushed", path if number == _FOLDER else number))
            return result

        return watched

    def _opening(self, call: Callable) -> Callable:
        def opening(given: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
            path = self._path(given)
            known = isinstance(given, int) and given in self._files
            if path is None and not known:
                return call(given, mode, *more, **options)
            if path is None:
                path = self._files[given][0]
            self.step("open", path)
            new = path not in self._named
            stream = call(given, mode, *more, **options)
            if not known:
                self._opened(stream.fileno(), path, new)
            return _Stream(self, stream, *self._files[stream.fileno()])

        return opening

    def _opened(self, handle: int, path: Path, new: bool) -> None:
        if new:
            self._entry({path: len(self._first) + len(self.log)})
        self._files[handle] = path, self._named[path]

    def _entry(self, changes: dict[Path, int | None]) -> None:
        self.log.append(("entry", changes))
        for path, number in changes.items():
            self._named.pop(path, None)
            if number is not None:
                self._named[path] = number


class _Stream:
    """A file whose writes reach the operating system when it is flushed or closed; a refused one leaves its half."""

    def __init__(self, disk: Disk, stream: Any, path: Path, number: int):
        self._disk, self._stream, self._path, self._number = disk, stream, path, number
        self._waiting: list[tuple[int, bytes]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def read(self, *size: int) -> Any:
        self._disk.step("read", self._path)
        return self._stream.read(*size)

    def write(self, data: Any) -> int:
        data, at = bytes(data), self._stream.tell()
        try:
            self._disk.step("write", self._path)
        except OSError:
            data = data[: len(data) // 2]
            raise
        finally:
            self._waiting.append((at, data))
            self._stream.write(data)
        return len(data)

    def flush(self) -> None:
        self._disk.step("flush", self._path)
        self._stream.flush()
        self._hand_over()

    def close(self) -> None:
        if self._stream.closed:
            return
        handle = self._stream.fileno()
        try:
            self._disk.step("close", self._path)
        finally:
            self._stream.close()
            self._hand_over()
            self._disk.forget(handle)

    def _hand_over(self) -> None:
        for at, data in self._waiting:
            self._disk.flushed(self._number, at, data)
        self._waiting.clear()


def interleaved(folder: Path, works: Sequence[Callable[[], Any]], rng: random.Random) -> list[BaseException | None]:
    """Run several works at once, in threads of which one goes on at a time; at each file call it may be another one.

    Returns what each work raised.
    """
    gates, ends = [threading.Semaphore(0) for _ in works], [None for _ in works]
    alive, numbers = list(range(len(works))), {}

    def switch(name: str, path: Path) -> None:
        me, other = numbers[threading.get_ident()], rng.choice(alive)
        if other != me:
            gates[other].release()
            gates[me].acquire()

    def run(me: int) -> None:
        numbers[threading.get_ident()] = me
        gates[me].acquire()
        try:
            works[me]()
        except BaseException as error:
            ends[me] = error
        alive.remove(me)
        if alive:
            gates[rng.choice(alive)].release()

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(works))]
    with Disk(folder, switch).in_use():
        for thread in threads:
            thread.start()
        gates[0].release()
        for thread in threads:
            thread.join()
    return ends
