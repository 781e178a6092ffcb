"""The mini datasets: like real ones in every interface, but their pictures are drawn when they are asked for.

Each has headroom of a kind that real sets have too: class names that captions seldom use (textures), a name whose
role only the context can tell (backdrops), pictures made in a way that captions seldom show or mention (thermal).
PROVISIONAL: three sets, tuned by zero-shot and linear-probe accuracy on the old backbone only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from clipcompat.data.indices import listed_shots, positions, read_indices
from clipcompat.data.sampling import Shots, check_shots, few_shot, parse_shots
from clipcompat.data.split import Dataset, Split
from clipcompat.errors import unknown_name
from clipcompat.files import digest
from clipcompat.mini.captions import RARE_TEXTURES
from clipcompat.mini.world import ABSENT, COLOURS, DOMAINS, FIELDS, SIZES, TEXTURES, WORLD, draw_many, sample_scenes

_PER_CLASS = {"train": 128, "val": 16, "test": 100}


@dataclass(frozen=True)
class _Set:
    """classes: class name -> code of `attribute`. fixed: the other fields that do not vary freely, and their codes."""

    attribute: str
    classes: dict[str, int]
    template: str
    fixed: dict[str, tuple[int, ...]] = field(default_factory=dict)


_ALONE = {"second_shape": (ABSENT,), "border": (ABSENT,)}
_SETS = {
    "mini/textures": _Set(
        "texture",
        {RARE_TEXTURES[name]: code for code, name in enumerate(TEXTURES) if name != "plain"},
        "a {} thing.",
        {**_ALONE, "domain": (DOMAINS.index("day"),), "size": (SIZES.index("large"),)},
    ),
    "mini/backdrops": _Set(
        "backdrop",
        {name: code for code, name in enumerate(COLOURS)},
        "a picture of {}.",
        {**_ALONE, "domain": (DOMAINS.index("day"),), "size": (SIZES.index("small"), SIZES.index("medium"))},
    ),
    "mini/thermal": _Set(
        "texture",
        {(RARE_TEXTURES[n] if code % 2 else n): code for code, n in enumerate(TEXTURES) if n != "plain"},
        "a {} thing.",
        {**_ALONE, "domain": (DOMAINS.index("thermal"),), "size": (SIZES.index("large"),)},
    ),
}


class RenderedImages:
    """Pictures of one part of one mini dataset, drawn on demand (see `Images` in clipcompat.data.split)."""

    def __init__(self, name: str, part: str, numbers: Sequence[int]):
        self._name, self._part, self._numbers = name, part, tuple(numbers)
        self.fingerprint = f"{WORLD} {name} {digest(repr(_SETS[name]))}"

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Image.Image:
        return Image.fromarray(_draw(self._name, self._part, [self._numbers[index]])[0])

    def key(self, index: int) -> str:
        return f"{self._name.removeprefix('mini/')}/{self._part}/{self._numbers[index]:06d}"

    def select(self, indices: list[int]) -> RenderedImages:
        return RenderedImages(self._name, self._part, [self._numbers[i] for i in indices])


def mini_names() -> tuple[str, ...]:
    """The names that `load_mini` knows."""
    return tuple(_SETS)


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
    if name not in _SETS:
        raise unknown_name("mini dataset", name, _SETS)
    classnames = tuple(_SETS[name].classes)
    pools = {part: range(len(classnames) * n) for part, n in _PER_CLASS.items()}
    labels = {part: [i % len(classnames) for i in pool] for part, pool in pools.items()}
    if indices is None:
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
            template=_SETS[name].template,
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


def _draw(name: str, part: str, numbers: Sequence[int]) -> np.ndarray:
    """Pictures uint8 [n, 32, 32, 3]; every (dataset, part) has a random stream of its own."""
    kind = _SETS[name]
    seed = int.from_bytes(hashlib.sha256(f"{name}/{part}".encode()).digest()[:7], "big")
    numbers = np.asarray(numbers, dtype=np.int64)
    scenes = sample_scenes(seed, numbers)
    for other, codes in kind.fixed.items():
        column = FIELDS.index(other)
        scenes[:, column] = np.asarray(codes)[(scenes[:, column] + numbers // len(kind.classes)) % len(codes)]
    codes = np.array(list(kind.classes.values()))
    scenes[:, FIELDS.index(kind.attribute)] = codes[numbers % len(codes)]
    # an object in the colour of its backdrop would not be seen
    colour, backdrop = FIELDS.index("colour"), FIELDS.index("backdrop")
    same = scenes[:, colour] == scenes[:, backdrop]
    scenes[same, colour] = (scenes[same, colour] + 5) % len(COLOURS)
    return draw_many(scenes, seed, numbers)
