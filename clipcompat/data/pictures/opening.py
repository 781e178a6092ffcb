"""Pictures that cannot be opened, found by decoding all of them, in parallel. Imports nothing heavy."""

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.common.progress import Progress

_CHUNK = 64
_WAITING = 4
"""Chunks a worker that are handed out ahead, so that a list of a million pictures is not held twice."""
_MOST = 16


def workers() -> int:
    """Threads that decode: one a core this process may use, at most sixteen."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST, cores)


def find_unreadable(
    images: Any, which: Sequence[int], progress: Progress | None, what: str, threads: int
) -> dict[int, str]:  # fmt: skip
    """Positions of the pictures that cannot be decoded, in the order of `which`, each with a sentence that says why.

    images: see `clipcompat.data.split.Images`. which: positions to look at. progress: called for every picture.
    """

    def why(some: Sequence[int]) -> list[str | None]:
        sentences: list[str | None] = []
        for i in some:
            try:
                images[i].close()
                sentences.append(None)
            except DataError as error:
                sentences.append(str(error))
        return sentences

    chunks = (which[at : at + _CHUNK] for at in range(0, len(which), _CHUNK))
    found: dict[int, str] = {}
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        try:
            running = deque((some, pool.submit(why, some)) for some in islice(chunks, threads * _WAITING))
            while running:
                some, result = running.popleft()
                running.extend((more, pool.submit(why, more)) for more in islice(chunks, 1))
                for i, sentence in zip(some, result.result(), strict=True):
                    done += 1
                    if sentence:
                        found[i] = sentence
                    if progress:
                        progress(done, len(which), what)
        finally:
            pool.shutdown(cancel_futures=True)
    return found
