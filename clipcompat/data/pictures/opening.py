"""Pictures that cannot be opened, found by decoding all of them in parallel. Needs no torch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.common.progress import Progress

_AT_ONCE = 4096  # pictures in the queue; queueing all would hold a list of a million pictures twice
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
    found: dict[int, str] = {}
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(which), _AT_ONCE):
            batch = which[start : start + _AT_ONCE]
            for done, (i, sentence) in enumerate(zip(batch, pool.map(partial(_why, images), batch), strict=True), 1):
                if sentence:
                    found[i] = sentence
                if progress:
                    progress(start + done, len(which), what)
    return found


def _why(images: Any, i: int) -> str | None:
    """Why a picture cannot be decoded; None: it can."""
    try:
        images[i].close()
    except DataError as error:
        return str(error)
    return None
