"""Several files of equal size seen as one tensor, without reading them.

The files are mapped side by side into one stretch of address space, so that rows of a hundred gigabytes are indexed
like any tensor, and only pages that are touched take memory, which the system takes back when it needs it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from clipcompat.common.errors import CacheError

PAGE = 1 << 16
"""Sizes of mapped files must be multiples of this: the largest page of the systems torch runs on, in bytes."""

# Python's mmap module knows neither of the two. Without reserving, a map may be larger than memory and swap.
_MAP_FIXED, _MAP_NORESERVE = 0x10, 0x40 if sys.platform == "darwin" else 0x4000
_FLAGS = mmap.MAP_PRIVATE | _MAP_NORESERVE


def map_files(paths: Sequence[Path], size: int, count: int) -> Tensor:
    """The first `count` float32 values of files of `size` bytes each, end to end: [count].

    The map is private: what is written to the tensor never reaches a file. It lives as long as the tensor does.

    Args:
        size: a multiple of `PAGE`; the last file may be shorter.

    Raises:
        CacheError: a file cannot be opened or mapped.
    """
    if count == 0:
        return torch.zeros(0)
    assert size % PAGE == 0 and (len(paths) - 1) * size < count * 4 <= len(paths) * size
    try:
        # one private region holds the addresses; each file then takes the place of a part of it
        region = mmap.mmap(-1, count * 4, flags=_FLAGS | mmap.MAP_ANONYMOUS)
        start = ctypes.addressof(ctypes.c_char.from_buffer(region))
        for number, path in enumerate(paths):
            _overlay(path, start + number * size, min(size, count * 4 - number * size))
    except OSError as error:
        raise CacheError(
            f"the feature cache {error.filename or paths[0]} cannot be mapped into memory: {error.strerror or error}. "
            "Check that it can be read, and that address space is not limited (ulimit -v)."
        ) from error
    return torch.frombuffer(region, dtype=torch.float32, count=count)


def _overlay(path: Path, address: int, size: int) -> None:
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
    file = os.open(path, os.O_RDONLY)
    try:
        flags = _FLAGS | _MAP_FIXED
        found = function(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, 0)
        if found != address:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(file)
