"""Read the community's fixed splits, `split_zhou_<Name>.json`."""

import reprlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.common.files import parse_json, read_json

Item = tuple[str, int, str]
"""Relative posix path, label, class name in the spelling of the file."""

PARTS = ("train", "val", "test")
OWN_SPLIT = "own_split"
"""The key that marks a split file as made here, not published."""
_AGAIN = "Take the file again from the CoOp repository's DATASETS.md."


def read_split(path: str | Path) -> dict[str, list[Item]]:
    """The train, val and test lists of a split file, in its order, which the few-shot draw depends on.

    Checked: labels are 0 … C-1 without gaps, each with one name and a training image; the test list is not empty;
    paths are relative and stay inside the image root; no picture occurs twice.

    Raises:
        DataError: the file cannot be read or fails a check; the first wrong entry is named.
    """
    path = Path(path)
    content = read_json(path, DataError, f"It may be cut short. {_AGAIN}")
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in PARTS):
        came = f"an object with {sorted(content)[:5]}" if isinstance(content, dict) else type(content).__name__
        raise DataError(
            f'{path}: a split file is an object with the lists "train", "val" and "test"; this is {came}. {_AGAIN}'
        )
    split = {
        part: [_item(entry, f"{path}: entry {i} of {part!r}") for i, entry in enumerate(content[part])]
        for part in PARTS
    }
    _check_labels(split, path)
    check_no_repeats(split, path)
    return split


def is_own_split(path: str | Path) -> bool:
    """Whether a split file is marked as made by `clipcompat data fetch --own-split`."""
    content = Path(path).read_bytes()
    return f'"{OWN_SPLIT}"'.encode() in content and OWN_SPLIT in parse_json(content)


def check_no_repeats(split: dict[str, list[Item]], source: Path) -> None:
    """Refuse lists in which a picture occurs twice, as accuracy on training images means nothing.

    Raises:
        DataError: names the first such picture and both places.
    """
    seen: dict[str, str] = {}
    for part, items in split.items():
        for path, _, _ in items:
            if path in seen:
                where = f"twice in {part!r}" if seen[path] == part else f"in {seen[path]!r} and in {part!r}"
                raise DataError(f"{source}: {path} is listed {where}; every picture may be listed once. {_AGAIN}")
            seen[path] = part


def check_relative(path: str, where: str) -> str:
    """The path in plain posix form, if it stays inside the image root.

    Raises:
        DataError: it is absolute, climbs with "..", is empty, has backslashes, or a name in it is too long.
    """
    posix = PurePosixPath(path)
    if "\\" in path or PureWindowsPath(path).drive:
        raise DataError(f"{where}: {path!r} is a Windows path; write it relative to the image root, with '/'.")
    if "\0" in path or posix.is_absolute() or ".." in posix.parts:
        raise DataError(f"{where}: {path!r} leaves the image root; paths must be relative to it, without '..'.")
    check_utf8(path, where)
    if not posix.parts:
        raise DataError(f"{where}: the path is empty; it must name a picture relative to the image root.")
    if max(len(part.encode()) for part in posix.parts) > 255:
        raise DataError(f"{where}: {path[:40]!r}… has a name of over 255 bytes, and no file can; shorten it.")
    return posix.as_posix()


def check_utf8(name: str, where: str) -> str:
    """The name, if it can be written as UTF-8, which stamps and records need.

    Raises:
        DataError: it has bytes of another encoding; the message shows them escaped.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: the name {ascii(name)} is not UTF-8, so it would not be the same on every machine; rename it."
        ) from error
    return name


def _item(entry: Any, where: str) -> Item:
    if not isinstance(entry, list) or len(entry) != 3:
        raise DataError(f"{where} should be [path, label, class name]; it is {reprlib.repr(entry)}. {_AGAIN}")
    path, label, name = entry
    if not isinstance(path, str):
        raise DataError(f"{where}: the path should be a string; it is {reprlib.repr(path)}. {_AGAIN}")
    if not isinstance(label, int) or isinstance(label, bool) or label < 0:
        raise DataError(f"{where}: the label should be a whole number from 0 on; it is {reprlib.repr(label)}. {_AGAIN}")
    if not isinstance(name, str) or not name.replace("_", " ").strip():
        raise DataError(f"{where}: the class name should be a string with words; it is {reprlib.repr(name)}. {_AGAIN}")
    return check_relative(path, where), label, check_utf8(name, where)


def _check_labels(split: dict[str, list[Item]], source: Path) -> None:
    names: dict[int, str] = {}
    for _, label, name in (item for items in split.values() for item in items):
        if names.setdefault(label, name) != name:
            raise DataError(
                f"{source}: label {label} is called {names[label]!r} and {name!r}; one label has one name. {_AGAIN}"
            )
    if not split["test"]:
        raise DataError(f"{source}: the test list is empty, so nothing could be tested. {_AGAIN}")
    if max(names) >= len(names):
        missing = next(label for label in range(len(names)) if label not in names)
        raise DataError(
            f"{source}: labels run up to {max(names)}, but {missing} does not occur; they must be 0, 1, 2, … "
            f"without gaps. {_AGAIN}"
        )
    untrained = sorted(set(names) - {label for _, label, _ in split["train"]})
    if untrained:
        raise DataError(
            f"{source}: class {names[untrained[0]]!r} (label {untrained[0]}) has no training image "
            f"({len(untrained)} such classes in all); every class of the test list needs some. {_AGAIN}"
        )
