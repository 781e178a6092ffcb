"""A train/val/test split made here, if the published one cannot be had; results on it say so.

Source: what CoOp's data sets do if their split file is missing (KaiyangZhou/CoOp, datasets/*.py). Deviations: shuffles
use a private `random.Random(seed)` and start from sorted order, so that a seed gives the same split on every machine.
It is never the published split, which was shuffled in another way.
"""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.files import read_json, to_json, write_atomic
from clipcompat.data.public.folders import check_once, entries, is_picture, read_text
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
    for testing. The others keep the official test list; a fifth of each class of the training list is for validation.

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
        read_split(made)  # a file that a reader would refuse never gets the final name
        return made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def check_own_split(layout: Layout, folder: Path) -> Path:
    """The path of an own split, if it can be made.

    Raises:
        ConfigError: the data set has no rule for one. DataError: a split is there already.
    """
    if layout.name not in _RULES:
        raise ConfigError(f"{layout.name} needs no own split: its lists come with the data set. Leave --own-split out.")
    path = folder / layout.split_file
    if path.exists():
        raise DataError(f"{path} is there already and is not replaced; to make an own split, move it away.")
    return path


def _thirds(groups: dict[int, list[str]], names: dict[int, str], random: Random) -> _Parts:
    """50 / 20 / 30 % of each class, in the order of `groups`."""
    parts: _Parts = {"train": [], "val": [], "test": []}
    for label, paths in groups.items():
        random.shuffle(paths)
        items = [(path, label, names[label]) for path in paths]
        train, val = round(len(items) * 0.5), round(len(items) * 0.2)
        if not 0 < train < train + val < len(items):
            raise DataError(f"class {names[label]!r} has {len(items)} pictures, too few to be split in three parts.")
        parts["train"] += items[:train]
        parts["val"] += items[train : train + val]
        parts["test"] += items[train + val :]
    return parts


def _by_folder(layout: Layout, folder: Path, random: Random) -> _Parts:
    root, skipped, renamed = folder / layout.image_root, _SKIPPED.get(layout.name, ()), _RENAMED.get(layout.name, {})
    classes = [entry.name for entry in entries(root) if entry.is_dir() and entry.name not in skipped]
    files = {name: [entry.name for entry in entries(root / name) if is_picture(entry.name)] for name in classes}
    groups = {label: [f"{name}/{file}" for file in files[name]] for label, name in enumerate(classes)}
    check_once(root, (path for paths in groups.values() for path in paths))
    return _thirds(groups, {label: renamed.get(name, name) for label, name in enumerate(classes)}, random)


def _flowers(layout: Layout, folder: Path, random: Random) -> _Parts:
    groups: dict[int, list[str]] = {}
    for number, label in enumerate(_matlab(folder / "imagelabels.mat")["labels"][0].tolist(), 1):
        groups.setdefault(label - 1, []).append(f"image_{number:05d}.jpg")
    names = read_json(folder / "cat_to_name.json", DataError, _WANTED)
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
        rows = _rows(folder / "annotations" / file)
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
    labels = {row[0][1:]: label for label, row in enumerate(_rows(folder / "ClassName.txt"))}

    def items(file: str) -> list[Item]:
        paths = [row[0][1:] for row in _rows(folder / file)]
        folders = [path.rpartition("/")[0] for path in paths]
        return [(p, labels[f], " ".join(reversed(f.split("/")[1:]))) for p, f in zip(paths, folders, strict=True)]

    return _fifth(items("Training_01.txt"), items("Testing_01.txt"), random)


def _ucf(layout: Layout, folder: Path, random: Random) -> _Parts:
    lists = folder / "ucfTrainTestlist"
    labels = {row[1]: int(row[0]) - 1 for row in _rows(lists / "classInd.txt")}

    def items(file: str) -> list[Item]:
        found = [row[0].split("/") for row in _rows(lists / file)]
        named = [(action, "_".join(re.findall("[A-Z][^A-Z]*", action)), video) for action, video in found]
        return [(f"{name}/{Path(video).stem}.jpg", labels[action], name) for action, name, video in named]

    return _fifth(items("trainlist01.txt"), items("testlist01.txt"), random)


_WANTED = "An own split needs this official list; CoOp's DATASETS.md says where it comes from."


def _rows(path: Path) -> list[list[str]]:
    """The words of every line that is not blank."""
    return [line.split() for line in read_text(path, _WANTED).splitlines() if line.strip()]


def _matlab(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        return loadmat(path)
    except (OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}. {_WANTED}") from error


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
