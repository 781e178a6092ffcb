"""One door to every data set: a name, a root, a number of shots and a seed give a `Dataset`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.indices import listed_shots, positions, read_indices
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.public.folders import check_present, find_folder
from clipcompat.data.public.layout import Layout, dataset_names, find_layout
from clipcompat.data.public.listings import read_listing
from clipcompat.data.public.split_zhou import Item, is_own_split
from clipcompat.data.sampling import Shots, check_shots, few_shot, parse_seed, parse_shots
from clipcompat.data.split import Dataset, Split
from clipcompat.data.templates import template_for

__all__ = ["dataset_names", "load_dataset"]

_log = logging.getLogger(__name__)


def load_dataset(
    name: str,
    *,
    root: str | Path | None = None,
    shots: Shots = 16,
    seed: int = 1,
    templates: str = "coop",
    indices: str | Path | Mapping[str, Any] | None = None,
    allow_fewer: bool = False,
    repeat: bool = False,
) -> Dataset:
    """Drawn train and val splits, the whole test split, and the whole train list as unlabelled pool.

    Class names are cleaned: `_` becomes a space, as upstream does before tokenising. Pictures are opened when
    asked for, but those of train, val and test are looked for now. Data sets for testing only (ImageNetV2,
    -Sketch, -A, -R) come with empty train, val and pool. ImageNet, which has no validation list, gets one
    drawn from the training images that are left over, so that nothing is selected on test images.

    Args:
        name: "mini/…", or one of `dataset_names()`, or an alias such as "EuroSAT" or "flowers102".
        root: the folder that holds the data sets' folders (`$DATA` in CoOp's DATASETS.md); unused by mini/….
        shots: training images a class; None or "all" takes every training and validation image.
        seed: of the draw; the same images as upstream's runs with this seed.
        templates: see `clipcompat.data.templates.template_for`; mini data sets have their own.
        indices: a file of `export_indices`, or a mapping like `Dataset.indices`, instead of a draw; `shots`
            and `seed` of the result are then what the list says (without a word there: as counted, and None).
        allow_fewer: let classes with fewer than `shots` images give all they have, as upstream does.
        repeat: the Tip-Adapter and GDA variant of the draw (see `few_shot`).

    Raises:
        UnknownNameError: no such data set or template style. ConfigError: `shots` or `seed` cannot be meant.
        DataError: a folder, a file, a picture or some shots are missing, or a file is not what it should be.
    """
    shots, seed = parse_shots(shots), parse_seed(seed)
    if str(name).startswith("mini/"):
        if templates != "coop" or repeat:
            raise ConfigError(f"{name} has its own template and draw; leave templates and repeat out.")
        from clipcompat.data.mini.datasets import load_mini

        return load_mini(name, shots=shots, seed=seed, indices=indices)
    layout = find_layout(name)
    template = template_for(layout.name, templates)
    folder = find_folder(layout, root)
    listing = read_listing(layout, folder)
    classnames = _classnames(listing)
    _compare_sizes(layout, listing, classnames)
    own_split = layout.reader == "json" and is_own_split(folder / layout.split_file)
    if own_split:
        _log.warning("%s: an own split, not the published one; records and tables say so.", layout.name)

    drawn_with: int | None = seed
    if indices is not None:
        train, val, shots, drawn_with = _listed(layout, listing, indices)
    elif listing["train"]:
        train, val = _drawn(layout, listing, classnames, shots, seed, allow_fewer, repeat)
    else:
        train, val, shots, drawn_with = [], [], None, None

    parts, image_root = {"train": train, "val": val, "test": listing["test"]}, folder / layout.image_root
    if layout.reader in ("json", "fgvc"):  # the others were listed from the folders a moment ago
        check_present(image_root, (path for part in parts.values() for path, _, _ in part), layout.name)
    return Dataset(
        name=layout.name,
        **{
            part: Split(
                images=ImageFiles(image_root, _paths(items), layout.name),
                labels=torch.tensor(_labels(items), dtype=torch.int64),
                classnames=classnames,
                template=template,
                name=f"{layout.name}/{part}",
            )
            for part, items in parts.items()
        },
        unlabelled=ImageFiles(image_root, _paths(listing["train"]), layout.name),
        shots=shots,
        seed=drawn_with,
        indices={"train": list(_paths(train)), "val": list(_paths(val))},
        own_split=own_split,
    )


_Listing = dict[str, list[Item]]


def _drawn(
    layout: Layout,
    listing: _Listing,
    classnames: tuple[str, ...],
    shots: Shots,
    seed: int,
    allow_fewer: bool,
    repeat: bool,
) -> tuple[list[Item], list[Item]]:
    train, val = listing["train"], listing["val"]
    if not repeat:  # which fills a class up by drawing again
        check_shots(_labels(train), classnames, shots, layout.name, allow_fewer)
    train_at, val_at = few_shot(_labels(train), _labels(val) if val else None, shots, seed, repeat=repeat)
    return [train[i] for i in train_at], [(val or train)[i] for i in val_at]


def _listed(
    layout: Layout, listing: _Listing, indices: str | Path | Mapping[str, Any]
) -> tuple[list[Item], list[Item], int | None, int | None]:
    given = read_indices(indices, layout.name)
    train, val = listing["train"], listing["val"] or listing["train"]
    train_at = positions(given["train"], _paths(train), "train", layout.name)
    val_at = positions(given["val"], _paths(val), "val", layout.name)
    if train and not train_at:
        raise DataError(f"{layout.name}: the given indices name no training image; leave them out to draw some.")
    shots = listed_shots(given, [train[i][1] for i in train_at], len(train))
    return [train[i] for i in train_at], [val[i] for i in val_at], shots, given.get("seed")


def _classnames(listing: _Listing) -> tuple[str, ...]:
    names = {label: name for items in listing.values() for _, label, name in items}
    return tuple(" ".join(names[label].replace("_", " ").split()) for label in range(len(names)))


def _paths(items: list[Item]) -> tuple[str, ...]:
    return tuple(path for path, _, _ in items)


def _labels(items: list[Item]) -> list[int]:
    return [label for _, label, _ in items]


def _compare_sizes(layout: Layout, listing: _Listing, classnames: tuple[str, ...]) -> None:
    """Say so when this is not the data set that published numbers were measured on."""
    came = (len(classnames), len(listing["train"]), len(listing["test"]))
    complete = (layout.classes, layout.train_size, layout.test_size)
    if came != complete:
        _log.warning(
            "%s has %d classes, %d training and %d test images here; complete are %d, %d and %d: "
            "do not compare its numbers with published ones.",
            layout.name,
            *came,
            *complete,
        )
