"""One pass over the images for several image towers: each picture is decoded once, and a stopped pass continues."""

import time
from collections.abc import Callable, Mapping, Sequence
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

Draw = Callable[[int, int], Tensor]
"""(image, view) -> its pixels, uint8 [3, size, size]."""

_COMMIT = 1.0  # seconds between commits: a flush to disk takes 5 ms, which is much beside one block on a GPU


class MemoryRows:
    """Rows of one `encode` in memory, with the methods of a `FeatureFile`. Nothing is allocated before the first."""

    def __init__(self, rows: int, width: int):
        self._size, self._rows, self._done = (rows, width), torch.empty(0, width), 0

    def rows(self) -> int:
        return self._done

    def append(self, rows: Tensor, at: int) -> None:
        if not len(self._rows):
            self._rows = torch.empty(self._size)
        self._rows[at : at + len(rows)] = rows
        self._done = at + len(rows)

    def read(self, rows: int) -> Tensor:
        return self._rows[:rows]

    def locked(self) -> nullcontext:
        return nullcontext()


@dataclass(frozen=True)
class Target:
    """One tower, the kind of its features, and the store for them.

    name: the same in every process that fills the same store. waiting: number of the first row, and rows, in order.
    """

    name: str
    backbone: Backbone
    kind: str
    store: FeatureFile | MemoryRows
    waiting: list[tuple[int, Tensor]] = field(default_factory=list)

    def commit(self) -> None:
        """Append the waiting rows to the store."""
        waiting, self.waiting[:] = self.waiting[:], []
        if waiting:
            self.store.append(torch.cat([rows for _, rows in waiting]), at=waiting[0][0])


def encode(
    targets: Sequence[Target], keys: Sequence[str], views: list[int], draw: Draw, what: str, progress: Progress | None
) -> None:
    """Fill every target's store with rows [view * image, dim], not normalised, view after view.

    A store that holds some rows is continued. A full store is only read, so its folder may be read-only. An error keeps
    all rows before it; a kill keeps all but those of the last second.

    Args:
        keys: one per image, for errors.
        what: names the task, for errors and progress.

    Raises:
        DataError: a picture is broken, or a feature is not a number.
        CacheError, StorageError: see `FeatureFile`.
    """
    total = len(keys) * len(views)
    with ExitStack() as locks:
        # every process locks in the same order, so that no two wait for each other
        for target in sorted(targets, key=lambda target: target.name):
            if target.store.rows() < total:
                locks.enter_context(target.store.locked())
        starts = {target.name: min(target.store.rows(), total) for target in targets}
        behind = [target for target in targets if starts[target.name] < total]
        for target in behind:
            target.store.read(0)  # refuse a damaged store now, not after hours of encoding
        groups = _by_pass(behind, starts)
        done, last_commit = min(starts.values()), time.monotonic()
        jobs = ((n % len(keys), views[n // len(keys)]) for n in range(done, total))
        pin = any(target.backbone.device.type == "cuda" for target in behind)
        try:
            for pixels in decode(jobs, draw, pin):  # [block, 3, size, size]
                for group in groups:
                    known = max(0, starts[group[0].name] - done)
                    if known < len(pixels):
                        rows = _rows(group, pixels[known:], keys, done + known, what)
                        for target in group:
                            target.waiting.append((done + known, rows[target.kind]))
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


def _by_pass(targets: Sequence[Target], starts: Mapping[str, int]) -> list[list[Target]]:
    """Targets that one pass through a tower serves: kinds of its features that begin at the same row."""
    groups: dict[tuple[int, int], list[Target]] = {}
    for target in targets:
        groups.setdefault((id(target.backbone), starts[target.name]), []).append(target)
    return list(groups.values())


def _rows(group: Sequence[Target], pixels: Tensor, keys: Sequence[str], at: int, what: str) -> dict[str, Tensor]:
    """Pixels [block, 3, size, size] -> by kind, features [block, dim] on the CPU.

    at: number of the first row, for errors.
    """
    backbone, kinds = group[0].backbone, {target.kind for target in group}
    with fit_threads(backbone.device, backbone.width):
        if len(kinds) == 1:
            (kind,) = kinds
            features = {kind: backbone.image_features(pixels, kind)}
        else:
            hidden = backbone.image_features(pixels, "penultimate")
            features = {"penultimate": hidden, "projected": backbone.project(hidden)}
    features = {kind: rows.cpu() for kind, rows in features.items()}
    for rows in features.values():
        _check_finite(rows, keys, at, what)
    return features


def _check_finite(rows: Tensor, keys: Sequence[str], at: int, what: str) -> None:
    if not torch.isfinite(rows).all():
        bad = at + int((~torch.isfinite(rows).all(-1)).nonzero()[0])
        raise DataError(
            f"{what}: the feature of {keys[bad % len(keys)]} is not a number. The picture or the weights are "
            "damaged, or the towers overflow in float16 (use dtype='fp32')."
        )
