"""A train/val/test split made here, for those who cannot get the published one; results on it say so.

Source: what CoOp's data sets do where their split file is missing (KaiyangZhou/CoOp, datasets/*.py). Deviations: the
shuffles come from a private `random.Random(seed)`, and pictures are shuffled from sorted order, so that one seed gives
one split on every machine. The published files were shuffled in another way: an own split is never the same split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.files import to_json, write_atomic
from clipcompat.data.public.folders import entries
from clipcompat.data.public.layout import Layout
from clipcompat.data.public.split_zhou import OWN_SPLIT, Item, read_split

_Parts = dict[str, list[Item]]

_SKIPPED = {"caltech101": ("BACKGROUND_Google", "Faces_easy")}
_RENAMED = {
    "caltech101": {"airplanes": "airplane", "Faces": "face", "Leopards": "leopard", "Motorbikes": "motorbike"},
    "eurosat": {
        "AnnualCrop": "Annual Crop Land",
        "HerbaceousVegetation": "Herbaceous Vegetation Land",
        "Highway": "Highway or Road",
        "Industrial": "Industrial Buildings",
        "Pasture": "Pasture Land",
        "PermanentCrop": "Permanent Crop Land",
        "Residential": "Residential Buildings",
        "SeaLake": "Sea or Lake",
    },
}


def write_own_split(layout: Layout, folder: Path, seed: int = 1) -> Path:
    """Split the pictures in `folder` by upstream's rule and write the split file, marked as made here.

    Caltech101, DTD, EuroSAT, Food101 and Flowers102: half of each class for training, a fifth for validation, the rest
    for testing. The others: the official test list; of the official training list a fifth of each class validates.

    Raises:
        ConfigError: the data set has no such rule. DataError: pictures or the official lists are missing.
    """
    path = check_own_split(layout, folder)
    rule, make = _RULES[layout.name]
    try:
        parts = make(layout, folder, Random(seed))
    except (KeyError, IndexError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"the official lists of {layout.name} in {folder} do not hold together ({type(error).__name__}: {error}); "
            "fetch them again."
        ) from error
    mark = {"rule": rule, "seed": seed, "note": "made by clipcompat, not the published split"}
    made = write_atomic(path.with_name(f".{path.name}.new"), to_json({OWN_SPLIT: mark, **parts}))
    try:
        read_split(made)  # nothing that a reader would refuse gets the name a reader looks for
        return made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def check_own_split(layout: Layout, folder: Path) -> Path:
    """Where an own split would be written, if one can be.

    Raises:
        ConfigError: the data set has no rule for one. DataError: a split is there already.
    """
    if layout.name not in _RULES:
        raise ConfigError(f"{layout.name} needs no own split: its lists come with the data set. Leave --own-split out.")
    path = folder / layout.split_file
    if path.exists():
        raise DataError(f"{path} is there already and is not replaced; move it away to make an own split.")
    return path


def _thirds(groups: dict[int, list[str]], names: dict[int, str], random: Random) -> _Parts:
    """50 / 20 / 30 % of each class, in the order of `groups`."""
    parts: _Parts = {"train": [], "val": [], "test": []}
    for label, paths in groups.items():
        random.shuffle(paths)
        train, val = round(len(paths) * 0.5), round(len(paths) * 0.2)
        if not 0 < train < train + val < len(paths):
            raise DataError(f"class {names[label]!r} has {len(paths)} pictures, too few to be split in three parts.")
        ends = {"train": slice(train), "val": slice(train, train + val), "test": slice(train + val, None)}
        for part, some in ends.items():
            parts[part] += [(path, label, names[label]) for path in paths[some]]
    return parts


def _by_folder(layout: Layout, folder: Path, random: Random) -> _Parts:
    root, skipped = folder / layout.image_root, _SKIPPED.get(layout.name, ())
    classes = [entry.name for entry in entries(root) if entry.is_dir() and entry.name not in skipped]
    renamed = _RENAMED.get(layout.name, {})
    groups = {label: [f"{name}/{e.name}" for e in entries(root / name)] for label, name in enumerate(classes)}
    return _thirds(groups, {label: renamed.get(name, name) for label, name in enumerate(classes)}, random)


def _flowers(layout: Layout, folder: Path, random: Random) -> _Parts:
    groups: dict[int, list[str]] = {}
    for number, label in enumerate(_matlab(folder / "imagelabels.mat")["labels"][0].tolist(), 1):
        groups.setdefault(label - 1, []).append(f"image_{number:05d}.jpg")
    names = json.loads(_read(folder / "cat_to_name.json"))
    return _thirds(groups, {label: names[str(label + 1)] for label in groups}, random)


def _fifth(trainval: list[Item], test: list[Item], random: Random) -> _Parts:
    """A fifth of each class of the training list for validation."""
    groups: dict[int, list[Item]] = {}
    for item in trainval:
        groups.setdefault(item[1], []).append(item)
    parts: _Parts = {"train": [], "val": [], "test": test}
    for items in groups.values():
        random.shuffle(items)
        first = round(len(items) * 0.2)
        parts["val"] += items[:first]
        parts["train"] += items[first:]
    return parts


def _pets(layout: Layout, folder: Path, random: Random) -> _Parts:
    def items(file: str) -> list[Item]:
        rows = [line.split() for line in _read(folder / "annotations" / file).splitlines() if line.strip()]
        return [(f"{row[0]}.jpg", int(row[1]) - 1, row[0].rpartition("_")[0].lower()) for row in rows]

    return _fifth(items("trainval.txt"), items("test.txt"), random)


def _cars(layout: Layout, folder: Path, random: Random) -> _Parts:
    names = [str(cell[0]) for cell in _matlab(folder / "devkit" / "cars_meta.mat")["class_names"][0]]
    names = [" ".join([words[-1], *words[:-1]]) for words in map(str.split, names)]  # the year to the front

    def items(part: str, file: Path) -> list[Item]:
        rows = [(str(row["fname"][0]), int(row["class"][0, 0]) - 1) for row in _matlab(file)["annotations"][0]]
        return [(f"{part}/{name}", label, names[label]) for name, label in rows]

    trainval = items("cars_train", folder / "devkit" / "cars_train_annos.mat")
    return _fifth(trainval, items("cars_test", folder / "cars_test_annos_withlabels.mat"), random)


def _sun(layout: Layout, folder: Path, random: Random) -> _Parts:
    labels = {line.strip()[1:]: label for label, line in enumerate(_read(folder / "ClassName.txt").splitlines())}

    def items(file: str) -> list[Item]:
        paths = [line.strip()[1:] for line in _read(folder / file).splitlines() if line.strip()]
        folders = [path.rpartition("/")[0] for path in paths]
        return [(p, labels[f], " ".join(reversed(f.split("/")[1:]))) for p, f in zip(paths, folders, strict=True)]

    return _fifth(items("Training_01.txt"), items("Testing_01.txt"), random)


def _ucf(layout: Layout, folder: Path, random: Random) -> _Parts:
    lists = folder / "ucfTrainTestlist"
    rows = [line.split() for line in _read(lists / "classInd.txt").splitlines() if line.strip()]
    labels = {row[1]: int(row[0]) - 1 for row in rows}

    def items(file: str) -> list[Item]:
        found = [line.split()[0].split("/") for line in _read(lists / file).splitlines() if line.strip()]
        named = [(action, "_".join(re.findall("[A-Z][^A-Z]*", action)), video) for action, video in found]
        return [(f"{name}/{Path(video).stem}.jpg", labels[action], name) for action, name, video in named]

    return _fifth(items("trainlist01.txt"), items("testlist01.txt"), random)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _no_list(path, error) from error


def _matlab(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        return loadmat(path)
    except (OSError, ValueError, NotImplementedError) as error:
        raise _no_list(path, error) from error


def _no_list(path: Path, error: Exception) -> DataError:
    why = getattr(error, "strerror", None) or error
    return DataError(
        f"an own split needs the official list {path}, which cannot be read: {why}. CoOp's DATASETS.md says where it "
        "comes from."
    )


_Make = Callable[[Layout, Path, Random], _Parts]
_HALF, _OFFICIAL = "50/20/30 % of each class", "official training list 80/20, official test list"
_RULES: dict[str, tuple[str, _Make]] = {
    **dict.fromkeys(("caltech101", "dtd", "eurosat", "food101"), (_HALF, _by_folder)),
    "oxford_flowers": (_HALF, _flowers),
    "oxford_pets": (_OFFICIAL, _pets),
    "stanford_cars": (_OFFICIAL, _cars),
    "sun397": (_OFFICIAL, _sun),
    "ucf101": (_OFFICIAL, _ucf),
}
