"""The mini datasets: like real ones in every interface, but their pictures are drawn when they are asked for.

Which there are, what each mirrors and what makes it hard is in `clipcompat.data.mini.sets`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from clipcompat.common.errors import unknown_name
from clipcompat.common.files import digest
from clipcompat.data.indices import listed_shots, positions, read_indices
from clipcompat.data.mini.sets import SETS, study_names
from clipcompat.data.mini.world import COLOURS, FIELDS, WORLD, draw_many, hashed, sample_scenes
from clipcompat.data.sampling import Shots, check_shots, few_shot, parse_shots
from clipcompat.data.split import Dataset, Split

__all__ = ["RenderedImages", "development_names", "load_mini", "mini_names", "study_names"]

_TRAIN, _VAL, _TEST = 128, 16, 2000
"""Pictures a class in the training pool and for validation; pictures in a test set, at least."""

_BLOCK = 64  # pictures drawn at once: one alone takes 1.4 ms, one of many 0.2 ms


class RenderedImages:
    """Pictures of one part of one mini dataset, drawn on demand (see `Images` in clipcompat.data.split)."""

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

    def select(self, indices: list[int]) -> RenderedImages:
        return RenderedImages(self._name, self._part, [self._numbers[i] for i in indices])


def mini_names() -> tuple[str, ...]:
    """The names that `load_mini` knows."""
    return tuple(SETS)


def development_names() -> tuple[str, ...]:
    """The sets on which recipes are chosen; they appear in no table."""
    return tuple(name for name in SETS if name.startswith("mini/dev-"))


def load_mini(
    name: str, shots: Shots = 16, seed: int = 1, indices: str | Path | Mapping[str, Any] | None = None
) -> Dataset:
    """Few-shot train and val splits, the whole test split, and the whole training pool, unlabelled.

    Args:
        name: one of `mini_names()`.
        shots: training images a class; None or "all" takes the whole pool.
        seed: of the few-shot draw; the pools and the test images are the same for every seed.
        indices: a drawn list to repeat (see `load_dataset`), instead of shots and seed.

    Raises:
        UnknownNameError: no such dataset. ConfigError: shots or seed cannot be meant.
        DataError: more shots than the pool has, or indices that name other pictures.
    """
    if name not in SETS:
        raise unknown_name("mini dataset", name, SETS)
    classnames = tuple(SETS[name].classes)
    pools = {part: range(n) for part, n in _sizes(name).items()}
    labels = {part: [i % len(classnames) for i in pool] for part, pool in pools.items()}
    if SETS[name].test_only:
        train, val, shots, seed = [], [], None, None
    elif indices is None:
        check_shots(labels["train"], classnames, shots, name)
        train, val = few_shot(labels["train"], labels["val"], shots, seed)
        shots = parse_shots(shots)
    else:
        given = read_indices(indices, name)
        train, val = (
            positions(given[part], [RenderedImages(name, part, pools[part]).key(i) for i in pools[part]], part, name)
            for part in ("train", "val")
        )
        shots = listed_shots(given, [labels["train"][i] for i in train], len(pools["train"]))
        seed = given.get("seed")
    numbers = {"train": train, "val": val, "test": list(pools["test"])}
    splits = {
        part: Split(
            images=RenderedImages(name, part, chosen),
            labels=torch.tensor([labels[part][i] for i in chosen], dtype=torch.int64),
            classnames=classnames,
            template=SETS[name].template,
            name=f"{name}/{part}",
        )
        for part, chosen in numbers.items()
    }
    return Dataset(
        name=name,
        **splits,
        unlabelled=RenderedImages(name, "train", pools["train"]),
        shots=shots,
        seed=seed,
        indices={part: list(splits[part].keys) for part in ("train", "val")},
    )


def _sizes(name: str) -> dict[str, int]:
    """Pictures in each part; every class has as many as every other."""
    classes = len(SETS[name].classes)
    test = classes * -(-_TEST // classes)
    if SETS[name].test_only:
        return {"train": 0, "val": 0, "test": test}
    return {"train": classes * _TRAIN, "val": classes * _VAL, "test": test}


@lru_cache(maxsize=128)
def _draw(name: str, part: str, numbers: tuple[int, ...]) -> np.ndarray:
    """Pictures uint8 [n, 32, 32, 3]; every (dataset, part) has a random stream of its own.

    Remembered, because whoever asks for one picture of a block soon asks for the others, and again for other views.
    """
    stream = int.from_bytes(hashlib.sha256(f"{name}/{part}".encode()).digest()[:7], "big")
    which = np.asarray(numbers, dtype=np.int64)
    return draw_many(_scenes(name, stream, which), stream, which)


def _scenes(name: str, stream: int, numbers: np.ndarray) -> np.ndarray:
    """Scenes of one dataset, int64 [n, field]; picture i is of class i modulo the number of classes."""
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
    # what has the colour of its backdrop would not be seen: whatever does not make the class gives way
    backdrop = FIELDS.index("backdrop")
    for other in ("colour", "border", "second_colour"):
        column = FIELDS.index(other)
        same = scenes[:, column] == scenes[:, backdrop]
        giving_way = backdrop if other in classes[0] else column
        scenes[same, giving_way] = (scenes[same, giving_way] + 5) % len(COLOURS)
    return scenes
