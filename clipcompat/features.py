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
from clipcompat.feature_file import FeatureFile
from clipcompat.files import digest

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what)."""

_BLOCK = 64  # images decoded, encoded and committed together
_REMEMBERED = 1 << 30  # bytes of features a backbone keeps in memory


def encode_split(
    backbone: Backbone, split: Split, cache: str | Path | None = None, progress: Progress | None = None
) -> Tensor:
    """Features of the test transform, [image, dim], not normalised, on the backbone's device.

    cache: folder for a feature file; None keeps them in memory only, with the backbone.
    """
    return _views(
        backbone, split, ["test"], lambda i, view: backbone.preprocess.test(split.images[i]), cache, progress
    )[0]


def encode_views(
    backbone: Backbone, split: Split, views: int, seed: int, crop: tuple[float, float],
    cache: str | Path | None = None, progress: Progress | None = None,
) -> Tensor:  # fmt: skip
    """Features of `views` augmented versions of every image: [view, image, dim], not normalised, on the device."""

    def draw(i: int, view: int) -> Tensor:
        return augmented(backbone, split, i, view, seed, crop)

    return _views(backbone, split, [f"train {crop[0]:g}-{crop[1]:g} seed {seed}", *range(views)], draw, cache, progress)


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


def _views(backbone: Backbone, split: Split, plan: list, draw, cache, progress) -> Tensor:
    """[view, image, dim] on the device: from the backbone's memory, else from the file, else computed.

    plan: what the transform is, then the view numbers; the test transform has one view, without a number.
    """
    kind, views = plan[0], plan[1:] or [0]
    stamp = digest([backbone.stamp, str(backbone.dtype), split.image_stamp, kind])
    remembered = f"{stamp} x {len(views)}"
    if remembered not in backbone.memory:
        jobs = [(i, view) for view in views for i in range(len(split))]
        what = f"{backbone.name}: {split.name}, {kind}"
        if cache is None:
            flat = _encode(backbone, jobs, draw, 0, progress, what)
        else:
            file = FeatureFile(cache, stamp, backbone.dim, stamp)
            if file.rows() < len(jobs):  # a complete file is only read, and may lie in a folder that cannot be written
                with file.locked():
                    kept = min(file.rows(), len(jobs))
                    file.read(kept)  # a damaged file is refused before hours are spent on adding to it
                    _encode(backbone, jobs, draw, kept, progress, what, file)
            flat = file.read(len(jobs))
        _remember(backbone, remembered, flat.view(len(views), len(split), backbone.dim).to(backbone.device))
    return backbone.memory[remembered]


def _encode(backbone, jobs, draw, start: int, progress, what: str, file: FeatureFile | None = None) -> Tensor:
    """Encode jobs from `start` on; rows go to `file` block by block, or come back in one tensor."""
    blocks, done = [torch.zeros(0, backbone.dim)], start
    for pixels in decode(jobs[start:], draw):
        with fit_threads(backbone.device, backbone.width):
            rows = backbone.image_features(pixels)
        if file is None:
            blocks.append(rows.cpu())
        else:
            file.append(rows)
        done += len(rows)
        if progress:
            progress(done, len(jobs), what)
    return torch.cat(blocks)


def _remember(backbone: Backbone, name: str, features: Tensor) -> None:
    """Keep the newest features, dropping the oldest where they would take more than 1 GiB together."""
    memory = backbone.memory
    memory[name] = features
    while len(memory) > 1 and sum(t.numel() * t.element_size() for t in memory.values()) > _REMEMBERED:
        del memory[next(iter(memory))]
