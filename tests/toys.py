"""Small stand-ins for tests: pictures of noise, a dataset of them, and mini backbones with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from clipcompat.data.split import Dataset, Split

NAMES = ("red fox", "owl", "snow leopard cub")


@dataclass(frozen=True)
class ToyImages:
    """Noise with a class-dependent colour cast; `opened` counts how often a picture was made.

    places: of each picture in the whole part, which a selection keeps, so that a picture has one key; None: all.
    """

    labels: tuple[int, ...]
    part: str
    opened: list
    fingerprint: str = "toys"
    places: tuple[int, ...] | None = None

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        self.opened.append(index)
        rng = np.random.default_rng([self._place(index), len(self.part), self.labels[index]])
        pixels = rng.integers(0, 120, (40, 48, 3))
        pixels[..., self.labels[index] % 3] += 120
        return Image.fromarray(pixels.astype(np.uint8))

    def key(self, index):
        return f"{self.part}/{self._place(index)}"

    def select(self, indices):
        labels, places = (tuple(of(i) for i in indices) for of in (self.labels.__getitem__, self._place))
        return ToyImages(labels, self.part, self.opened, self.fingerprint, places)

    def _place(self, index):
        return index if self.places is None else self.places[index]


def toy_split(part: str, per_class: int, classnames=NAMES) -> Split:
    labels = tuple(i for i in range(len(classnames)) for _ in range(per_class))
    return Split(
        ToyImages(labels, part, []), torch.tensor(labels), tuple(classnames), "a photo of a {}.", f"toys/{part}"
    )


def toy_dataset(per_class: int = 4, classnames=NAMES) -> Dataset:
    train = toy_split("train", per_class, classnames)
    return Dataset(
        "toys", train, toy_split("val", 2, classnames), toy_split("test", 5, classnames), train.images, per_class, 1
    )
