"""Pixels in memory, for methods that train through the image tower: each picture is decoded once, if there is room.

The views are those of `encode_views`: their random numbers depend on (seed, view, image) only.
"""

import logging
from collections.abc import Callable, Iterator

import psutil
import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.progress import Progress
from clipcompat.data.pictures.decoding import BLOCK, decode
from clipcompat.data.split import Split
from clipcompat.features.encode import augment, picture

log = logging.getLogger(__name__)

_SHARE = {"cuda": 0.5, "cpu": 0.25}  # of the free memory that pixels may take; our choice


def pixel_views(
    backbone: Backbone, split: Split, views: int, seed: int, crop: tuple[float, float], progress: Progress | None = None
) -> Tensor | None:
    """`views` augmented versions of every image: uint8 [view, image, 3, size, size], or None if they take too much.

    They are on the backbone's device if they take at most half of a GPU's free memory, else on the host if they take at
    most a quarter of its free memory.

    Raises:
        DataError: a picture is broken.
    """
    size, count = backbone.preprocess.size, len(split)
    needed, what = views * count * 3 * size * size, f"{backbone.name}: {split.name}, {views} views in memory"
    device = _place(needed, backbone.device)
    if device is None:
        log.info("%s: %.1f GB are too much, so pictures are decoded in every step", what, needed / 1e9)
        return None
    pixels = torch.empty(views, count, 3, size, size, dtype=torch.uint8, device=device)
    done = 0
    for block in decode(((i,) for i in range(count)), lambda i: _views(backbone, split, i, views, seed, crop)):
        pixels[:, done : done + len(block)] = block.transpose(0, 1).to(device)  # block: [image, view, 3, size, size]
        done += len(block)
        if progress:
            progress(done, count, what)
    return pixels


def test_pixels(backbone: Backbone, split: Split) -> Callable[[], Iterator[Tensor]]:
    """Each call walks the pictures of the test transform in blocks: uint8 [block, 3, size, size].

    They stay in memory between calls if `pixel_views` would keep them; otherwise every call decodes them again.

    Raises:
        DataError: a picture is broken.
    """
    size, count = backbone.preprocess.size, len(split)

    def draw(index: int) -> Tensor:
        return backbone.preprocess.test(picture(backbone, split, index))

    def decoded() -> Iterator[Tensor]:
        return decode(((i,) for i in range(count)), draw)

    device = _place(count * 3 * size * size, backbone.device)
    if device is None:
        return decoded
    kept = torch.cat([block.to(device) for block in decoded()])
    return lambda: iter(kept.split(BLOCK))


def _views(backbone: Backbone, split: Split, index: int, views: int, seed: int, crop: tuple[float, float]) -> Tensor:
    """All views of one image: uint8 [view, 3, size, size]."""
    image = picture(backbone, split, index)
    return torch.stack([augment(backbone, image, split.keys[index], view, seed, crop) for view in range(views)])


def _place(needed: int, device: torch.device) -> torch.device | None:
    """Where so many bytes of pixels fit: the device, the host, or nowhere."""
    if device.type == "cuda" and needed <= _SHARE["cuda"] * torch.cuda.mem_get_info(device)[0]:
        return device
    return torch.device("cpu") if needed <= _SHARE["cpu"] * psutil.virtual_memory().available else None
