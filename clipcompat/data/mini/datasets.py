"""The mini datasets: their interface is that of real ones, but images are drawn on demand.

`clipcompat.data.mini.sets` lists them.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image

from clipcompat.common.errors import unknown_name
from clipcompat.common.files import digest
from clipcompat.data.drawing import Draw, Indices, draw_dataset
from clipcompat.data.mini.sets import SETS, study_names
from clipcompat.data.mini.world import COLOURS, FIELDS, WORLD, draw_many, hashed, sample_scenes
from clipcompat.data.sampling import Shots
from clipcompat.data.split import Dataset

__all__ = ["RenderedImages", "development_names", "load_mini", "mini_names", "study_names"]

_TRAIN, _VAL = 128, 16  # images per class in the pools
_TEST = 2000  # images in a test set, at least
_BLOCK = 64  # images drawn at once: one alone takes 1.4 ms, one of many 0.2 ms


class RenderedImages:
    """Images of one part of one mini dataset; implements `clipcompat.data.split.Images`."""

    def __init__(self, name: str, part: str, numbers: Sequence[int]):
        self._name, self._part, self._numbers = name, part, tuple(numbers)
        self.fingerprint = f"{WORLD} {name} {digest(repr((SETS[name].classes, SETS[name].fixed)))}"

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Image.Image:
        block, place = divmod(range(len(self))[index], _BLOCK)
        numbers = self._numbers[block * _BLOCK : (block + 1) * _BLOCK]
        return Image.fromarray(_draw(self._name, self._part, numbers)[place])

    def key(self, index: int) -> str:
        return f"{self._name.removeprefix('mini/')}/{self._part}/{self._numbers[index]:06d}"

    def select(self, indices: list[int]) -> "RenderedImages":
        return RenderedImages(self._name, self._part, [self._numbers[i] for i in indices])


def mini_names() -> tuple[str, ...]:
    """The names that `load_mini` knows."""
    return tuple(SETS)


def development_names() -> tuple[str, ...]:
    """The sets on which recipes are chosen; they appear in no table."""
    return tuple(name for name, kind in SETS.items() if not kind.mirrors)


def load_mini(name: str, shots: Shots = 16, seed: int = 1, indices: Indices = None) -> Dataset:
    """Few-shot train and val splits, the whole test split, and the training pool.

    Args:
        name: one of `mini_names()`.
        shots: training images per class; None or "all" takes the whole pool.
        seed: of the few-shot draw; the pools and the test images are the same for every seed.
        indices: a drawn list to repeat (see `load_dataset`), instead of shots and seed.

    Raises:
        UnknownNameError: no such dataset. ConfigError: `shots` or `seed` is out of range.
        DataError: more shots than the pool has, or indices that name other images.
    """
    if name not in SETS:
        raise unknown_name("mini dataset", name, SETS)
    kind, count = SETS[name], len(SETS[name].classes)
    per_class = {"train": _TRAIN, "val": _VAL, "test": -(-_TEST // count)}
    if kind.test_only:
        per_class |= {"train": 0, "val": 0}
    pools = {
        part: (RenderedImages(name, part, range(count * each)), [i % count for i in range(count * each)])
        for part, each in per_class.items()
    }
    return draw_dataset(pools, Draw(shots, seed, indices), name, tuple(kind.classes), kind.template)


@lru_cache(maxsize=128)
def _draw(name: str, part: str, numbers: tuple[int, ...]) -> np.ndarray:
    """Images uint8 [n, 32, 32, 3]; every (dataset, part) has its own random stream.

    Cached: all images of a block are asked for soon, and again for other views.
    """
    stream = int.from_bytes(hashlib.sha256(f"{name}/{part}".encode()).digest()[:7], "big")
    which = np.asarray(numbers, dtype=np.int64)
    return draw_many(_scenes(name, stream, which), stream, which)


def _scenes(name: str, stream: int, numbers: np.ndarray) -> np.ndarray:
    """Scenes of one dataset, int64 [n, field]; image i is of class i modulo the number of classes."""
    kind = SETS[name]
    scenes = sample_scenes(stream, numbers)
    classes = list(kind.classes.values())
    lots = hashed(stream ^ 0xF1DED, numbers, len(FIELDS))
    for column, other in enumerate(FIELDS):
        if other in kind.fixed:
            codes = np.asarray(kind.fixed[other])
            scenes[:, column] = codes[lots[:, column] % np.uint64(len(codes))]
        if other in classes[0]:
            scenes[:, column] = np.array([codes[other] for codes in classes])[numbers % len(classes)]
    # An object in the colour of its backdrop is invisible: change the field of the two that does not make the class.
    backdrop = FIELDS.index("backdrop")
    for other in ("colour", "border", "second_colour"):
        column = FIELDS.index(other)
        same = scenes[:, column] == scenes[:, backdrop]
        giving_way = backdrop if other in classes[0] else column
        scenes[same, giving_way] = (scenes[same, giving_way] + 5) % len(COLOURS)
    return scenes
