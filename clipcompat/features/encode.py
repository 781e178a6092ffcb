"""Images to features: each view of each image goes through the frozen image tower once.

A view is one augmented version of a training image. Its random numbers depend on (seed, view, image) only. So a run
that continues after a kill, a subset of the classes, and augmenting in every epoch all see the same views. Training
with views >= epochs is exact in distribution. Fewer views are an approximation, and tables state how many.
"""

import functools
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from clipcompat.backbones.backbone import Backbone, Transform
from clipcompat.common.files import digest
from clipcompat.common.progress import Progress
from clipcompat.data.pictures.decoding import decode
from clipcompat.data.pictures.images import hash_contents
from clipcompat.data.split import Split
from clipcompat.features.one_pass import Draw, MemoryRows, Target, encode
from clipcompat.features.store import FeatureFile

__all__ = [
    "Cache",
    "Progress",
    "augmented",
    "decode",
    "encode_split",
    "encode_together",
    "encode_views",
    "side_by_side",
    "take",
    "warn_if_undrawn",
]

Cache = str | Path | None
"""Folder for feature files and hashes of pictures; None keeps features in memory, with the backbone."""

log = logging.getLogger(__name__)

# Our choice, both: most datasets fit, and the towers keep room.
_REMEMBERED = 1 << 30  # bytes of features that a backbone keeps in memory
_SHARE = 0.5  # of a GPU's free memory that features may take


def encode_split(
    backbone: Backbone, split: Split, cache: Cache = None, progress: Progress | None = None, kind: str = "projected"
) -> Tensor:
    """Features of the test transform, [image, dim], not normalised, on the backbone's device.

    kind: see `Method.image_features`.

    Raises:
        DataError: a picture is broken, or its feature is not a number.
        CacheError, StorageError: see `FeatureFile`.
    """
    return encode_together([(backbone, kind)], split, cache, progress)[0]


def encode_together(
    wanted: Sequence[tuple[Backbone, str]], split: Split, cache: Cache = None, progress: Progress | None = None
) -> list[Tensor]:
    """The result of `encode_split` for each (backbone, kind); each image is decoded once per image size.

    Two backbones of one image size get the same pixels from the test transform, because mean and deviation are applied
    on the device. Each result is remembered and cached under its own stamp, as if it had been made alone.
    """
    found: dict[int, Tensor] = {}
    for size in dict.fromkeys(backbone.preprocess.size for backbone, _ in wanted):
        at = [i for i, (backbone, _) in enumerate(wanted) if backbone.preprocess.size == size]
        backbone = wanted[at[0]][0]

        def draw(i: int, view: int, backbone=backbone) -> Tensor:
            return backbone.preprocess.test(picture(backbone, split, i))

        features = _views([wanted[i] for i in at], split, "test", ["test"], draw, cache, progress)
        found |= zip(at, features, strict=True)
    return [found[i][0].to(backbone.device) for i, (backbone, _) in enumerate(wanted)]


def encode_views(
    backbone: Backbone,
    split: Split,
    views: int,
    seed: int,
    crop: tuple[float, float],
    cache: Cache = None,
    progress: Progress | None = None,
    kind: str = "projected",
) -> Tensor:
    """Features of `views` augmented versions of every image: [view, image, dim], not normalised.

    They are on the backbone's device if they take at most half of its free memory. Otherwise they stay on the host,
    mapped from the cache's file, and `take` moves batches. Errors: see `encode_split`.
    """

    def draw(i: int, view: int) -> Tensor:
        return augmented(backbone, split, i, view, seed, crop)

    crop = backbone.preprocess.crop_range(crop)  # where two methods' ranges become one, they share their views
    plan = [f"train {crop[0]:g}-{crop[1]:g} seed {seed}", *range(views)]
    return _views([(backbone, kind)], split, crop, plan, draw, cache, progress)[0]


def augmented(backbone: Backbone, split: Split, index: int, view: int, seed: int, crop: tuple[float, float]) -> Tensor:
    """One view of one training image: uint8 [3, size, size]."""
    return augment(backbone, picture(backbone, split, index), split.keys[index], view, seed, crop)


def augment(
    backbone: Backbone, image: Image.Image, key: str, view: int, seed: int, crop: tuple[float, float]
) -> Tensor:
    """One view of a picture that is decoded already; key: the picture's in its split."""
    name = f"{seed}/{view}/{key}".encode()
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name).digest()[:8]) >> 1)
    return backbone.preprocess.train(image, generator, crop)


def warn_if_undrawn(backbone: Backbone, image: Image.Image) -> None:
    """Log once per process that a mini backbone is given a picture that the miniature did not draw.

    It is told by its size alone: what the miniature draws has the size that its backbones take.
    """
    if backbone.kind == "mini" and set(image.size) != {backbone.preprocess.size}:
        _warn_of_miniature()


@functools.cache
def _warn_of_miniature() -> None:
    log.warning(
        "mini backbones know only the drawn pictures of the mini datasets. On other pictures their accuracies mean "
        "nothing: for those, use a backbone of open_clip."
    )


def picture(backbone: Backbone, split: Split, index: int) -> Image.Image:
    """A picture of a split, decoded."""
    image = split.images[index]
    if index == 0:
        warn_if_undrawn(backbone, image)
    return image


def side_by_side(features: Sequence[Tensor]) -> Tensor:
    """Features [image, dim] of several towers -> [image, tower · dim]; those of a single one as they are."""
    return features[0] if len(features) == 1 else torch.cat(list(features), dim=1)


def take(features: Tensor, views: Tensor, images: Tensor, device: torch.device) -> Tensor:
    """A batch of features on `device`: [view, image, dim], with indices [batch] and [batch] -> [batch, dim]."""
    rows = features[views.to(features.device), images.to(features.device)]
    if rows.device.type == "cpu" and device.type == "cuda":
        rows = rows.pin_memory()  # the copy then runs beside the GPU's work
    return rows.to(device, non_blocking=True)


def _views(
    wanted: Sequence[tuple[Backbone, str]],
    split: Split,
    transform: Transform,
    plan: list,
    draw: Draw,
    cache: Cache,
    progress: Progress | None,
) -> list[Tensor]:
    """[view, image, dim] for each (backbone, kind): from the backbone's memory, else from the file, else computed.

    plan: the transform's name, then the view numbers; the test transform has one view, without a number.
    """
    name, views = plan[0], plan[1:] or [0]
    hash_contents(split, cache, progress)
    size, found = len(views) * len(split), {}
    asked = [_target(backbone, kind, split, plan, cache) for backbone, kind in wanted]
    for target in asked:
        if target.name in target.backbone.memory:
            found[target.name] = target.backbone.memory[target.name]
    targets = {target.name: target for target in asked if target.name not in found}  # two may share a stamp
    wished = set(targets)
    for target in list(targets.values()):
        planned = sorted(target.backbone.together.get(transform, ()))
        if planned and target.store.rows() < size:  # else no picture will be looked at
            others = [_target(target.backbone, kind, split, plan, cache) for kind in planned]
            targets |= {other.name: other for other in others if other.name not in targets}
    if targets:
        who = " and ".join(dict.fromkeys(target.backbone.name for target in targets.values()))
        what = f"{who}: {split.name}, {name}"
        encode(list(targets.values()), split.keys, views, draw, what, progress)
        for target in targets.values():
            if target.name not in wished and cache is not None:
                continue  # it waits in its file, and takes no memory
            rows = target.store.read(size)  # [view * image, dim]
            placed = _place(rows.view(len(views), len(split), rows.shape[1]), target.backbone.device, what)
            found[target.name] = placed
            _remember(target.backbone, target.name, placed)
    for target in asked:
        _remember(target.backbone, target.name, found[target.name])
    return [found[target.name] for target in asked]


def _target(backbone: Backbone, kind: str, split: Split, plan: list, cache: Cache) -> Target:
    """Where features of this kind are kept, in a file or in memory. plan: see `_views`."""
    parts = [backbone.image_stamp, str(backbone.dtype), split.image_stamp, plan[0]]
    stamp, width = digest(parts if kind == "projected" else [*parts, kind]), backbone.feature_width(kind)
    views = len(plan[1:]) or 1
    store = MemoryRows(views * len(split), width) if cache is None else FeatureFile(cache, stamp, width, stamp)
    return Target(f"{stamp} x {views}", backbone, kind, store)


def _place(features: Tensor, device: torch.device, what: str) -> Tensor:
    """On the device, or on the host if they would take more than half of a GPU's free memory."""
    if device.type == "cuda":
        size, free = (n / 2**30 for n in (features.nbytes, torch.cuda.mem_get_info(device)[0]))
        if size > _SHARE * free:
            log.info("%s: %.1f GiB of features stay on the host; %s has %.1f free", what, size, device, free)
            return features
    return features.to(device)


def _remember(backbone: Backbone, name: str, features: Tensor) -> None:
    """Keep the newest features; drop the oldest ones while all together take more than 1 GiB."""
    memory = backbone.memory
    memory[name] = features
    while len(memory) > 1 and sum(t.nbytes for t in memory.values()) > _REMEMBERED:
        del memory[next(iter(memory))]
