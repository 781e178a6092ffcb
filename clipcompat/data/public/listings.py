"""The lists of data sets without a split_zhou file: FGVC-Aircraft, ImageNet, its four shifted test sets.

Deviation: pictures are in sorted order. Upstream takes them as the file system lists them, so its ImageNet subsets
differ between machines; an exported index file (`clipcompat.data.indices`) carries such a draw over.
"""

from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.data.public.folders import check_once, entries, first, is_folder, is_picture, read_text
from clipcompat.data.public.layout import Layout
from clipcompat.data.public.split_zhou import Item, check_no_repeats, check_relative, check_utf8, read_split


def read_listing(layout: Layout, folder: Path) -> dict[str, list[Item]]:
    """The train, val and test lists of a data set in `folder`; paths are relative to its image root.

    A list is empty if the data set has none. ImageNet's `images/val` is the test list, as everywhere in the field.

    Raises:
        DataError: a file or folder is missing, or the lists contradict each other.
    """
    if layout.reader == "json":
        return read_split(folder / layout.split_file)
    if layout.reader == "fgvc":
        return _read_fgvc(folder)
    names, images = _read_classnames(folder / layout.split_file), folder / layout.image_root
    if layout.reader == "imagenet":
        train = _read_wnids(images / "train", names, "train/")
        test = _read_wnids(images / "val", names, "val/")
        check_once(images, {path.rpartition("/")[0]: None for path, _, _ in (*train, *test)}, "Unpack both parts.")
        if apart := {path.split("/")[1] for path, _, _ in train} ^ {path.split("/")[1] for path, _, _ in test}:
            raise DataError(
                f"{images}: train and val hold different classes; in one of them only: {first(sorted(apart))}. Both "
                "need one folder for each class."
            )
        return {"train": train, "val": [], "test": test}
    read = _read_wnids if layout.reader == "wnids" else _read_numbers
    return {"train": [], "val": [], "test": read(images, names, "")}


def _read_fgvc(folder: Path) -> dict[str, list[Item]]:
    """`variants.txt` numbers the classes; `images_variant_*.txt` has lines "<image id> <variant name>"."""
    variants = [line.strip() for line in read_text(folder / "variants.txt").splitlines() if line.strip()]
    labels = {name: i for i, name in enumerate(variants)}
    if not variants or len(labels) < len(variants):
        raise DataError(f"{folder / 'variants.txt'}: expected one variant per line, each once, and at least one.")
    split: dict[str, list[Item]] = {}
    for part in ("train", "val", "test"):
        source, items = folder / f"images_variant_{part}.txt", []
        for number, line in enumerate(read_text(source).splitlines(), 1):
            image, _, name = line.strip().partition(" ")
            if not image:
                continue
            if name not in labels:
                wanted = '"<image id> <variant name>", with a name of variants.txt'
                raise DataError(f"{source}, line {number}: expected {wanted}; got {line.strip()[:80]!r}.")
            items.append((check_relative(f"{image}.jpg", f"{source}, line {number}"), labels[name], name))
        split[part] = items
    untrained = sorted(set(variants) - {name for _, _, name in split["train"]})
    if untrained or not split["test"]:
        raise DataError(
            f"{folder}: the lists must have training images of every variant and some test images; without "
            f"training images: {first(untrained)}; test images: {len(split['test'])}."
        )
    check_no_repeats(split, folder)
    return split


def _read_classnames(path: Path) -> dict[str, str]:
    """WordNet id → class name, from lines "<wnid> <name>"."""
    names: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        wnid, _, name = line.strip().partition(" ")
        if wnid and (not name or wnid in names):
            raise DataError(
                f'{path}, line {number}: expected "<WordNet id> <class name>", each id once; got {line.strip()[:80]!r}.'
            )
        if wnid:
            names[wnid] = name
    if not names or list(names) != sorted(names):
        # ImageNetV2 numbers its folders by rank among sorted ids: another order would give wrong names.
        raise DataError(f"{path}: expected WordNet ids in sorted order, as in CoOp's classnames.txt.")
    return names


def _read_wnids(root: Path, names: dict[str, str], prefix: str) -> list[Item]:
    """One folder per class; labels number the sorted folders that are there (ImageNet-A and -R: 200)."""
    items = []
    for label, wnid in enumerate(_class_folders(root)):
        if wnid not in names:
            raise DataError(f"{root / wnid}: the folder's name is not in classnames.txt, so the class has no name.")
        items += _pictures(root, wnid, label, names[wnid], prefix)
    return items


def _read_numbers(root: Path, names: dict[str, str], prefix: str) -> list[Item]:
    """Folders 0, 1, 2, …: the number is the label, and the line of classnames.txt."""
    folders, wanted = set(_class_folders(root)), [str(label) for label in range(len(names))]
    if folders != set(wanted):
        raise DataError(
            f"{root}: expected the folders 0 … {len(names) - 1}, one for each line of classnames.txt; missing: "
            f"{first([w for w in wanted if w not in folders])}; not expected: {first(sorted(folders - set(wanted)))}."
        )
    labelled = enumerate(names.values())
    return [item for label, name in labelled for item in _pictures(root, str(label), label, name, prefix)]


def _class_folders(root: Path) -> list[str]:
    folders = [check_utf8(entry.name, str(root)) for entry in entries(root) if is_folder(entry)]
    if not folders:
        raise DataError(f"{root}: expected one folder for each class; there is none.")
    places: dict[tuple[int, int], str] = {root.stat()[1:3]: "the folder of all classes"}
    for name in folders:
        place = (root / name).stat()[1:3]  # inode and device; a link shares them with its target
        if places.setdefault(place, name) != name:
            raise DataError(
                f"{root / name} is a link to {places[place]}, so its pictures would count twice; a class needs a "
                "folder of its own. Remove the link."
            )
    return folders


def _pictures(root: Path, folder: str, label: int, name: str, prefix: str) -> list[Item]:
    names = [check_utf8(entry.name, str(root / folder)) for entry in entries(root / folder)]
    found = [file for file in names if is_picture(file)]
    if not found:
        raise DataError(f"{root / folder}: no picture of class {name!r} is there; unpack the data set again.")
    return [(f"{prefix}{folder}/{file}", label, name) for file in found]
