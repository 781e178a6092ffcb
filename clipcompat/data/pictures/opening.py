"""Pictures that cannot be opened, found by decoding all of them in parallel. Needs no torch."""

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.common.progress import Progress

_CHUNK = 64
_WAITING = 4  # chunks per worker in the queue; queueing all would hold a list of a million pictures twice
_MOST = 16


def workers() -> int:
    """Threads that decode: one per core this process may use, at most sixteen."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST, cores)


def find_unreadable(
    images: Any, which: Sequence[int], progress: Progress | None, what: str, threads: int
) -> dict[int, str]:
    """Positions of the pictures that cannot be decoded, in the order of `which`, and a sentence that says why.

    images: see `clipcompat.data.split.Images`. which: positions to look at. progress: called for every picture.
    """

    chunks = (which[at : at + _CHUNK] for at in range(0, len(which), _CHUNK))
    found: dict[int, str] = {}
    done, running = 0, deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                more = islice(chunks, threads * _WAITING - len(running))
                running.extend(pool.submit(_why_unreadable, images, chunk) for chunk in more)
                if not running:
                    return found
                for i, sentence in running.popleft().result():
                    done += 1
                    if sentence:
                        found[i] = sentence
                    if progress:
                        progress(done, len(which), what)
        finally:
            pool.shutdown(cancel_futures=True)


def _why_unreadable(images: Any, chunk: Sequence[int]) -> list[tuple[int, str | None]]:
    found: list[tuple[int, str | None]] = []
    for i in chunk:
        try:
            images[i].close()
            found.append((i, None))
        except DataError as error:
            found.append((i, str(error)))
    return found
