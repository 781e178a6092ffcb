"""From images to features: each view of each image goes through the frozen image tower once.

A view is one augmented version of a training image. Its randomness depends on (seed, view, image) only, so that a run
continued after a kill, a class subset, or augmenting on the fly all see the same views. Training with views >= epochs
is exact in distribution; fewer is an approximation, and tables state how many.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.device import fit_threads
from clipcompat.data.split import Split
from clipcompat.errors import DataError
from clipcompat.feature_file import FeatureFile
from clipcompat.files import digest

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what)."""

_BLOCK = 64  # images decoded, encoded and committed together
_REMEMBERED = 1 << 30  # bytes of features a backbone keeps in memory


def encode_split(
    backbone: Backbone, split: Split, cache: str | Path | None = None, progress: Progress | None = None,
    kind: str = "projected",
) -> Tensor:  # fmt: skip
    """Features of the test transform, [image, dim], not normalised, on the backbone's device.

    cache: folder for a feature file; None keeps them in memory only, with the backbone. kind: see `image_features`.
    """

    def draw(i: int, view: int) -> Tensor:
        return backbone.preprocess.test(split.images[i])

    return _views(backbone, split, ["test"], draw, kind, cache, progress)[0]


def encode_views(
    backbone: Backbone, split: Split, views: int, seed: int, crop: tuple[float, float],
    cache: str | Path | None = None, progress: Progress | None = None, kind: str = "projected",
) -> Tensor:  # fmt: skip
    """Features of `views` augmented versions of every image: [view, image, dim], not normalised, on the device."""

    def draw(i: int, view: int) -> Tensor:
        return augmented(backbone, split, i, view, seed, crop)

    plan = [f"train {crop[0]:g}-{crop[1]:g} seed {seed}", *range(views)]
    return _views(backbone, split, plan, draw, kind, cache, progress)


def augmented(backbone: Backbone, split: Split, index: int, view: int, seed: int, crop: tuple[float, float]) -> Tensor:
    """One view of one training image: uint8 [3, size, size]."""
    name = f"{seed}/{view}/{split.keys[index]}".encode()
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name).digest()[:8]) >> 1)
    return backbone.preprocess.train(split.images[index], generator, crop)


def decode(jobs: Sequence[tuple], draw: Callable[..., Tensor]) -> Iterator[Tensor]:
    """Blocks of pixels [block, 3, size, size] in the order of `jobs`; the next block is decoded while one is used."""
    blocks = [jobs[at : at + _BLOCK] for at in range(0, len(jobs), _BLOCK)]
    # threads, not processes: PIL releases the interpreter while it decodes and resizes, and nothing must be pickled
    with ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool:

        def submit(block):
            return [pool.submit(draw, *job) for job in block]

        waiting = submit(blocks[0]) if blocks else []
        for following in [*blocks[1:], []][: len(blocks)]:  # no jobs (all of them cached): no block
            current, waiting = waiting, submit(following)
            yield torch.stack([future.result() for future in current])


def _views(backbone: Backbone, split: Split, plan: list, draw, kind: str, cache, progress) -> Tensor:
    """[view, image, dim] on the device: from the backbone's memory, else from the file, else computed.

    plan: what the transform is, then the view numbers; the test transform has one view, without a number.
    """
    transform, views = plan[0], plan[1:] or [0]
    parts = [backbone.stamp, str(backbone.dtype), split.image_stamp, transform]
    stamp = digest(parts if kind == "projected" else [*parts, kind])
    remembered, width = f"{stamp} x {len(views)}", backbone.feature_width(kind)
    if remembered not in backbone.memory:
        jobs = [(i, view) for view in views for i in range(len(split))]
        what = f"{backbone.name}: {split.name}, {transform}"
        if cache is None:
            flat = torch.cat([torch.zeros(0, width), *_encode(backbone, split, kind, jobs, draw, 0, progress, what)])
        else:
            file = FeatureFile(cache, stamp, width, stamp)
            if file.rows() < len(jobs):  # a complete file is only read, and may lie in a folder that cannot be written
                with file.locked():
                    kept = min(file.rows(), len(jobs))
                    file.read(kept)  # a damaged file is refused before hours are spent on adding to it
                    for rows in _encode(backbone, split, kind, jobs, draw, kept, progress, what):
                        file.append(rows)
            flat = file.read(len(jobs))
        _remember(backbone, remembered, flat.view(len(views), len(split), width).to(backbone.device))
    return backbone.memory[remembered]


def _encode(backbone, split: Split, kind: str, jobs, draw, start: int, progress, what: str) -> Iterator[Tensor]:
    """Features of the jobs from `start` on, block by block, on the CPU."""
    done = start
    for pixels in decode(jobs[start:], draw):
        with fit_threads(backbone.device, backbone.width):
            rows = backbone.image_features(pixels, kind).cpu()
        if not torch.isfinite(rows).all():
            bad = jobs[done + int((~torch.isfinite(rows).all(-1)).nonzero()[0])][0]
            raise DataError(
                f"{what}: the feature of {split.keys[bad]} is not a number. The picture or the weights are "
                "damaged, or the towers overflow in float16 (use dtype='fp32')."
            )
        done += len(rows)
        yield rows
        if progress:
            progress(done, len(jobs), what)


def _remember(backbone: Backbone, name: str, features: Tensor) -> None:
    """Keep the newest features, dropping the oldest where they would take more than 1 GiB together."""
    memory = backbone.memory
    memory[name] = features
    while len(memory) > 1 and sum(t.numel() * t.element_size() for t in memory.values()) > _REMEMBERED:
        del memory[next(iter(memory))]
