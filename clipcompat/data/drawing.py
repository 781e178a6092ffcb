"""A few-shot `Dataset`, drawn from pools of labelled pictures; every source of pictures can end here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clipcompat.common.errors import DataError
from clipcompat.data.indices import listed_shots, positions, read_indices
from clipcompat.data.kind import dataset_kind
from clipcompat.data.sampling import Shots, check_shots, few_shot, parse_seed, parse_shots
from clipcompat.data.split import Dataset, Images, Split

Pool = tuple[Images, Sequence[int]]
"""Pictures and the label of each."""
Indices = str | Path | Mapping[str, Any] | None


@dataclass(frozen=True)
class Draw:
    """Which training and validation images to draw; `clipcompat.data.load.load_dataset` explains the fields."""

    shots: Shots
    seed: int
    indices: Indices = None
    allow_fewer: bool = False
    repeat: bool = False


def draw_dataset(
    pools: Mapping[str, Pool],
    draw: Draw,
    name: str,
    classnames: tuple[str, ...],
    template: str | tuple[str, ...],
    hint: str = "",
) -> Dataset:
    """Train and val are drawn, test is the whole pool, and the unlabelled images are the whole training pool.

    pools: "train", "val" and "test". If val is empty, it is drawn from the training images that are left over.
        If train is empty too, nothing is drawn: `shots` and `seed` of the dataset are then None.
    hint: ends the error on too few images.

    Raises:
        ConfigError: `shots` or `seed` is out of range.
        DataError: some class has too few images, or `indices` name other images or no training image.
    """
    shots, seed = parse_shots(draw.shots), parse_seed(draw.seed)
    images, labels = pools["train"]
    val_images, val_labels = pools["val"] if pools["val"][1] else pools["train"]
    drawn_with: int | None = seed
    if draw.indices is not None:
        given = read_indices(draw.indices, name)
        train, val = (
            positions(given[part], [pool.key(i) for i in range(len(pool))], part, name)
            for part, pool in (("train", images), ("val", val_images))
        )
        if labels and not train:
            raise DataError(f"{name}: the given indices name no training image; leave them out to draw some.")
        shots, drawn_with = listed_shots(given, [labels[i] for i in train], len(labels)), given.get("seed")
    elif labels:
        if not draw.repeat:  # which fills small classes by drawing again
            check_shots(labels, classnames, shots, name, draw.allow_fewer, hint)
        train, val = few_shot(labels, pools["val"][1] or None, shots, seed, repeat=draw.repeat)
    else:
        train, val, shots, drawn_with = [], [], None, None

    def split(part: str, images: Images, labels: Sequence[int]) -> Split:
        return Split(images, torch.tensor(labels, dtype=torch.int64), classnames, template, f"{name}/{part}")

    splits = {
        "train": split("train", images.select(train), [labels[i] for i in train]),
        "val": split("val", val_images.select(val), [val_labels[i] for i in val]),
        "test": split("test", *pools["test"]),
    }
    drawn = {"shots": shots, "seed": drawn_with, "indices": {p: list(splits[p].keys) for p in ("train", "val")}}
    pool = split("pool", images, labels)
    return Dataset(name=name, **splits, unlabelled=images, **drawn, kind=dataset_kind(name), pool=pool)
