"""A data set from a tree with one folder per class. From there to a compatibility report:

```python
import clipcompat as cc

upgrade = cc.load_upgrade("mini")
data = cc.dataset_from_folder("pictures", shots=16, seed=1)
plugin = cc.fit(cc.default_method("contcoop", data.name, "mini"), upgrade.old, data)
print(cc.compatibility(plugin, upgrade, data))
```
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.data.custom.assembly import (
    PART_NAMES,
    TEMPLATE,
    Names,
    Template,
    assemble,
    look_like_parts,
    own_name,
    resolve,
)
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.custom.tree import LAYOUT, Walk
from clipcompat.data.drawing import Draw, Indices
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.public.folders import check_once, first
from clipcompat.data.sampling import Shots
from clipcompat.data.split import Dataset

_log = logging.getLogger(__name__)


def dataset_from_folder(
    path: str | Path,
    shots: Shots = 16,
    seed: int = 1,
    *,
    template: Template = TEMPLATE,
    names: Names = None,
    name: str | None = None,
    indices: Indices = None,
    allow_fewer: bool = False,
    upright: bool = False,
) -> Dataset:
    """Drawn train and val splits, the whole test split and the training pool of an ImageFolder tree.

    The tree has one folder per class, or `train`, `val` (or `valid`) and `test`, each with the same class folders.
    Other names of parts, as `eval` or `holdout`, are refused. A class folder holds its pictures, at any depth; one that
    holds several folders of pictures and none itself is refused. Hidden files and what desktops leave count nowhere.

    Classes are numbered in the sorted order of their folders' names. Missing parts follow the rule of
    `clipcompat.data.custom.assembly`: a tree without parts is divided 50 : 20 : 30, class by class, in the same way
    for every seed and number of shots.

    Folder names become class names by the rules of `clipcompat.data.custom.classnames`. A warning tells what they
    changed; `clean_classnames(path)` shows it beforehand.

    Args:
        shots: training pictures per class; None or "all" takes every training and validation picture.
        seed: of the draw, by the community's sampler; the pool and the test pictures are the same for every seed.
        template: a sentence with {} for the class name, or several, whose text features are averaged.
        names: folder name -> class name, for some or all classes; or one name per class, in order.
        name: records call it "folder/<name>"; None: the folder's own name.
        indices: a drawn list to repeat, as in `load_dataset`, instead of shots and seed.
        allow_fewer: classes with fewer than `shots` pictures give all they have.
        upright: turn pictures as their EXIF says, as phones need; public data sets are read without.

    Raises:
        DataError: no such folder; no class, or one without pictures; parts with different classes; a name that is not
            UTF-8; links in a circle; a picture reached twice; unusable class names; too few shots.
        ConfigError, UnknownNameError: an argument is out of range or unknown.
    """
    root = Path(path).expanduser()
    name = own_name("folder", name or root.resolve().name)
    listing = read_folder(root)
    folders = list(next(iter(listing.values())))
    keys, labels, found = [], [], {}
    for part, classes in listing.items():
        start = len(keys)
        for label, folder in enumerate(folders):
            keys += classes[folder]
            labels += [label] * len(classes[folder])
        found[part] = list(range(start, len(keys)))
    parts = resolve(found, [_within_class(key, folders[y]) for key, y in zip(keys, labels, strict=True)], labels, name)
    images = ImageFiles(root, tuple(keys), name, upright)
    draw = Draw(shots, seed, indices, allow_fewer)
    return assemble(images, labels, parts, ClassNames.of(folders, names), draw, name, template)


def read_folder(root: Path) -> dict[str, dict[str, list[str]]]:
    """Part -> class folder -> keys; a tree without parts is all "train".

    Raises:
        DataError: it is no such tree, or parts have different classes.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; expected a folder that holds one folder of pictures per class.")
    walk = Walk(root)
    top = walk.folders()
    parts: dict[str, str] = {}
    for folder in top:
        part = PART_NAMES.get(folder.lower())
        if part and parts.setdefault(part, folder) != folder:
            raise DataError(f"{root}: {parts[part]} and {folder} are both the {part} part; keep one of them.")
    if parts and "train" not in parts and len(parts) == len(top):
        raise DataError(f"{root}: there are the parts {', '.join(parts.values())}, but no train. Call one folder so.")
    if len(parts) < len(top) and len(top) > 1 and look_like_parts(top):
        raise DataError(
            f"{root}: {first(top)} are named like parts of a data set, and not like classes. Expected {LAYOUT}. Call "
            "the parts train, val and test; if these are your classes, list their pictures in a table (csv)."
        )
    # a lone "train" beside other folders may be a class: a picture of a train
    if "train" not in parts or len(parts) == 1 and len(top) > 1:
        listing = {"train": walk.classes()}
        _check_no_part(root, listing["train"])
    elif others := [folder for folder in top if folder not in parts.values()]:
        raise DataError(
            f"{root}: beside the parts ({first(sorted(parts.values()))}) there are other folders: {first(others)}. "
            "Move them elsewhere, or give a folder that holds class folders only."
        )
    else:
        listing = {part: walk.classes(folder) for part, folder in parts.items()}
    train = listing["train"]
    for part, classes in listing.items():
        if apart := sorted(classes.keys() ^ train.keys()):
            where = "train" if apart[0] in train else part
            raise DataError(
                f"{root}: train and {part} need the same class folders, but {len(apart)} are not in both: "
                f"{first(apart, 3)} ({apart[0]} only in {where}). Name them alike."
            )
    check_once(root, (key for classes in listing.values() for keys in classes.values() for key in keys))
    if walk.left_out:
        left_out = list(dict.fromkeys(walk.left_out))
        _log.warning("%s: %d files are no pictures in class folders: %s.", root.name, len(left_out), first(left_out, 3))
    return listing


def _check_no_part(root: Path, classes: Mapping[str, Sequence[str]]) -> None:
    """Refuse a class that is named like a part and divides into folders of pictures, whatever else lies in it."""
    for folder, keys in classes.items():
        inside = sorted({key.split("/")[1] for key in keys if key.count("/") > 1})
        if len(inside) > 1 and look_like_parts([folder]):
            raise DataError(
                f"{root}: {folder} is named like a part of a data set, and holds {first(inside, 3)}. Expected "
                f"{LAYOUT}. If it is a class, put its pictures into one folder."
            )


def _within_class(key: str, folder: str) -> str:
    """A picture's path below its class folder, so that renaming a class moves no picture to another part."""
    return f"/{key}".partition(f"/{folder}/")[2]
