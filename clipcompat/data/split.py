"""A split (images with labels) and a dataset (train, val and test splits over one list of classes)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from clipcompat.common.errors import DataError, unknown_name
from clipcompat.common.files import digest
from clipcompat.common.text import shown
from clipcompat.data.kind import Kind


class Images(Protocol):
    """A sequence of pictures that are decoded or drawn only when asked for."""

    fingerprint: str
    """Names the pictures: by where they come from and all bytes of their files, or by world version and seed."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Image.Image: ...

    def key(self, index: int) -> str:
        """A stable name of one picture: its path relative to the image root, or its seed."""

    def select(self, indices: list[int]) -> "Images":
        """The pictures at `indices`, in that order."""


@dataclass(frozen=True)
class Split:
    """Images, their labels, and what is needed to turn class names into prompts.

    labels: [image], int64, values in 0 … len(classnames) - 1.
    template: one string with `{}` where the class name goes, or several to be averaged.
    """

    images: "Images"
    labels: Tensor
    classnames: tuple[str, ...]
    template: str | tuple[str, ...]
    name: str

    def __post_init__(self):
        images, labels, classes = len(self.images), len(self.labels), len(self.classnames)
        if images != labels:
            raise DataError(f"{self.name}: {images} images came with {labels} labels; give one label per image.")
        low, high = map(int, self.labels.aminmax()) if labels else (0, classes - 1)
        if low < 0 or high >= classes:
            raise DataError(
                f"{self.name}: labels run from {low} to {high}, but there are {classes} class names; "
                f"labels must be 0 … {classes - 1}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<Split {shown(self.name)}: {len(self):,} images of {len(self.classnames):,} classes>"

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.images.key(i) for i in range(len(self)))

    @cached_property
    def image_stamp(self) -> str:
        """Names the pictures and their order, all that features depend on."""
        return digest([self.images.fingerprint, self.keys])

    @cached_property
    def stamp(self) -> str:
        """Names pictures, labels and class names."""
        return digest([self.image_stamp, self.labels.tolist(), self.classnames])

    def keep_classes(self, labels: list[int]) -> "Split":
        """The images of these classes, relabelled 0, 1, … in the order given."""
        new = {old: i for i, old in enumerate(labels)}
        kept = [i for i, label in enumerate(self.labels.tolist()) if label in new]
        return replace(
            self,
            images=self.images.select(kept),
            labels=torch.tensor([new[int(self.labels[i])] for i in kept], dtype=torch.int64),
            classnames=tuple(self.classnames[old] for old in labels),
        )


@dataclass(frozen=True)
class Dataset:
    """Few-shot train and validation splits, the whole test split, and the unlabelled training pool.

    indices: the keys drawn for train and val, in order, as records store them and `load_dataset(indices=…)` takes them.
    own_split: the split was made on this machine (see `own_split`), so its numbers are not those of the published one.
    kind: "mini", "own" (the user's images) or "public".
    pool: the unlabelled pool with its labels, which no method reads unless asked to; None: they are not known.
    """

    name: str
    train: "Split"
    val: "Split"
    test: "Split"
    unlabelled: "Images"
    shots: int | None = None
    seed: int | None = None
    indices: dict[str, list[str]] = field(default_factory=dict)
    own_split: bool = False
    kind: Kind = "own"
    pool: "Split | None" = None

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(split):,} {part}" for part, split in self._splits())
        draw = f"shots {'all' if self.shots is None else self.shots}, seed {self.seed}"
        return f"<Dataset {shown(self.name)}: {len(self.classnames):,} classes; {sizes} images; {draw}>"

    @property
    def classnames(self) -> tuple[str, ...]:
        return self.test.classnames

    def base_classes(self) -> "Dataset":
        """The first ceil(n/2) classes (the DPC and CoCoOp protocol), after few-shot sampling, relabelled from 0."""
        return self.keep(list(range(math.ceil(len(self.classnames) / 2))), "base")

    def new_classes(self) -> "Dataset":
        """The classes that `base_classes` leaves out, relabelled from 0."""
        return self.keep(list(range(math.ceil(len(self.classnames) / 2), len(self.classnames))), "new")

    def part(self, classes: str) -> "Dataset":
        """All classes ("all"), or those of `base_classes` ("base") or `new_classes` ("new")."""
        return {"all": lambda: self, "base": self.base_classes, "new": self.new_classes}[classes]()

    def subset(self, names: Iterable[str]) -> "Dataset":
        """The same images over fewer classes, given by name; a name that two classes share brings both."""
        labels = []
        for name in names:
            found = [i for i, known in enumerate(self.classnames) if known == name]
            if not found:
                raise unknown_name(f"class of {self.name}", name, self.classnames, "See its classnames for all.")
            labels += found
        labels = list(dict.fromkeys(labels))
        return self.keep(labels, f"subset {digest([self.classnames[i] for i in labels])[:6]}")

    def few(self, shots: int) -> "Dataset":
        """The first `shots` training images of each class, of those that were drawn; all else is the same.

        Raises:
            DataError: a class has fewer training images.
        """
        labels = self.train.labels.tolist()
        fewest = min(labels.count(label) for label in range(len(self.classnames)))
        if not 1 <= shots <= fewest:
            raise DataError(f"{self.name} has classes of {fewest} training images; {shots} of each cannot be taken.")
        seen, kept = [0] * len(self.classnames), []
        for i, label in enumerate(labels):
            seen[label] += 1
            kept += [i] if seen[label] <= shots else []
        train = replace(self.train, images=self.train.images.select(kept), labels=self.train.labels[kept])
        drawn = self.indices and self.indices | {"train": list(train.keys)}
        return replace(self, train=train, shots=shots, indices=drawn)

    def keep(self, labels: list[int], part: str) -> "Dataset":
        """These classes only, relabelled 0, 1, … in the order given; `part` goes into the name.

        Raises:
            DataError: there is no class to keep.
        """
        if not labels:
            raise DataError(f"{self.name} has {len(self.classnames)} classes; the {part} part would have none.")
        splits = {name: split.keep_classes(labels) for name, split in self._splits()}
        pool = None if self.pool is None else self.pool.keep_classes(labels)
        return replace(self, name=f"{self.name}[{part}]", **splits, pool=pool)

    def _splits(self) -> tuple[tuple[str, "Split"], ...]:
        return ("train", self.train), ("val", self.val), ("test", self.test)
