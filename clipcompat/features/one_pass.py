"""Pictures through image towers into stores of rows: one pass for several towers, continued where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.device import fit_threads
from clipcompat.common.errors import DataError
from clipcompat.common.progress import Progress
from clipcompat.data.pictures.decoding import decode
from clipcompat.features.store import FeatureFile

_COMMIT = 1.0  # seconds of work between commits: flushing to disk takes 5 ms, which is much beside a block on a GPU


class MemoryRows:
    """The rows of one `encode`, in memory; asked like a `FeatureFile`."""

    def __init__(self, rows: int, width: int):
        self._rows, self._done = torch.empty(rows, width), 0

    def rows(self) -> int:
        return self._done

    def append(self, rows: Tensor) -> None:
        self._rows[self._done : self._done + len(rows)] = rows
        self._done += len(rows)

    def read(self, rows: int) -> Tensor:
        return self._rows[:rows]

    def locked(self) -> nullcontext:
        return nullcontext()


@dataclass(frozen=True)
class Target:
    """A tower, which of its features are wanted, and the store that gets them. name: the same on every machine."""

    name: str
    backbone: Backbone
    kind: str
    store: FeatureFile | MemoryRows
    waiting: list[Tensor] = field(default_factory=list)

    def commit(self) -> None:
        """Hand over what is waiting."""
        rows, self.waiting[:] = self.waiting[:], []
        if rows:
            self.store.append(torch.cat(rows))


def encode(
    targets: Sequence[Target], keys: Sequence[str], views: Sequence[int], draw: Callable[[int, int], Tensor],
    what: str, progress: Progress | None = None,
) -> None:  # fmt: skip
    """Fill every target's store with the features of all pictures, view after view; each picture is drawn once.

    Stores that hold some rows are continued, those that hold all are only read, and may lie where nothing can be
    written. After an error, what was encoded before it is kept; after a kill, all but the last second.

    Args:
        keys: one a picture, for errors. draw: (picture, view) -> uint8 [3, size, size].

    Raises:
        DataError: a feature is not a number. CacheError, StorageError: see `FeatureFile`.
    """
    total = len(keys) * len(views)
    with ExitStack() as locks:
        # in one order everywhere, so that two processes never wait for each other
        for target in sorted(targets, key=lambda target: target.name):
            if target.store.rows() < total:
                locks.enter_context(target.store.locked())
        starts = {target.name: min(target.store.rows(), total) for target in targets}
        behind = [target for target in targets if starts[target.name] < total]
        for target in behind:
            target.store.read(0)  # a damaged store is refused before hours are spent on adding to it
        first, last_commit = min(starts.values()), time.monotonic()
        jobs = ((n % len(keys), views[n // len(keys)]) for n in range(first, total))
        pin = any(target.backbone.device.type == "cuda" for target in behind)
        try:
            for done, pixels in _counted(decode(jobs, draw, pin), first):
                for target in behind:
                    known = max(0, starts[target.name] - done)
                    if known < len(pixels):
                        target.waiting.append(_rows(target, pixels[known:], keys, done + known, what))
                done += len(pixels)
                if done == total or time.monotonic() - last_commit >= _COMMIT:
                    for target in behind:
                        target.commit()
                    last_commit = time.monotonic()
                if progress:
                    progress(done, total, what)
        finally:
            for target in behind:
                target.commit()


def _counted(blocks: Iterator[Tensor], done: int) -> Iterator[tuple[int, Tensor]]:
    for block in blocks:
        yield done, block
        done += len(block)


def _rows(target: Target, pixels: Tensor, keys: Sequence[str], at: int, what: str) -> Tensor:
    """Features of pixels [block, 3, size, size] that begin with job `at`, on the CPU."""
    backbone = target.backbone
    with fit_threads(backbone.device, backbone.width):
        rows = backbone.image_features(pixels, target.kind).cpu()
    if not torch.isfinite(rows).all():
        bad = at + int((~torch.isfinite(rows).all(-1)).nonzero()[0])
        raise DataError(
            f"{what}: the feature of {keys[bad % len(keys)]} is not a number. The picture or the weights are "
            "damaged, or the towers overflow in float16 (use dtype='fp32')."
        )
    return rows
