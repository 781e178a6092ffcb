"""Find a data set on disk; if something is missing, say what is there instead."""

import os
from collections.abc import Iterable
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.common.junk import is_junk
from clipcompat.data.public.layout import Layout

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def find_folder(layout: Layout, root: str | Path | None) -> Path:
    """The data set's folder under `root`, if its image root and its split file (or class names) are there.

    Raises:
        DataError: no root was given, or one of these is missing.
    """
    holds = f"the folder that holds {layout.folder}/."
    if root is None:
        raise DataError(f"{layout.name} is read from disk: pass root= (on the command line: --root), {holds}")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataError(f"the root {root} is no folder; it must be {holds}")
    folder, images = root / layout.folder, root / layout.folder / layout.image_root
    fetch = f"`clipcompat data fetch {layout.name} --root {root}` brings what is missing, or says how to get it."
    if not folder.is_dir():
        todo = f"Put the data set there, or pass the root that holds {layout.folder}/. {fetch}"
        if (root / layout.image_root).is_dir() and (root / layout.split_file).is_file():
            todo = f"This looks like the data set itself: name it {layout.folder} and pass its parent as root."
        raise DataError(f"{layout.name} is expected in {folder}, which is not there. {_there(root)} {todo}")
    todo = f"{_there(folder)} Put it there, as CoOp's DATASETS.md says. {fetch}"
    if not (folder / layout.split_file).is_file():
        fixed = "the fixed split behind published numbers; none is made up in its place"
        what = fixed if layout.reader == "json" else "its class names"
        raise DataError(f"{layout.name} needs {folder / layout.split_file} ({what}). {todo}")
    if not images.is_dir():
        raise DataError(f"the pictures of {layout.name} are expected in {images}, which is not there. {todo}")
    return folder


def check_present(root: Path, paths: Iterable[str], name: str) -> None:
    """Look for pictures by listing each folder once: on a network disk, single look-ups take minutes.

    Raises:
        DataError: names how many are missing, the first three, and whole folders that are not there.
    """
    paths = set(paths)
    missing, no_folder = find_missing(root, paths)
    if missing:
        folders = f" Whole folders are missing: {first(no_folder, 3)}." if no_folder else ""
        raise DataError(
            f"{name}: {len(missing):,} of the {len(paths):,} pictures needed are not in {root}: {first(missing, 3)}."
            f"{folders} Unpack the data set again, or take the split file that belongs to these pictures."
        )


def find_missing(root: Path, paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """The pictures that are not under `root`, sorted by folder, and the folders that are not there at all."""
    wanted: dict[str, set[str]] = {}
    for path in paths:
        wanted.setdefault(path.rpartition("/")[0], set()).add(path)
    missing, no_folder = [], []
    for parent, files in sorted(wanted.items()):
        found = set()
        if (root / parent).is_dir():
            found = {f"{parent}/{entry.name}".removeprefix("/") for entry in entries(root / parent)}
        else:
            no_folder.append(parent)
        # entries() leaves out junk, which a published split may name: look these up one by one
        missing += [path for path in sorted(files - found) if not (root / path).is_file()]
    return missing, no_folder


def check_once(root: Path, paths: Iterable[str], todo: str = "Remove one of them.") -> None:
    """Refuse a file or folder that is reached by two paths: by a symbolic link, a hard link, or case that is ignored.

    paths: relative to `root`; all are there. One call of `stat` for each.

    Raises:
        DataError: names both paths; the message ends with `todo`.
    """
    seen: dict[object, str] = {}
    for path in paths:
        found = os.stat(root / path)
        # some file systems of networks number no files: there, only symbolic links are seen
        place = (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(root / path)
        if seen.setdefault(place, path) != path:
            raise DataError(
                f"{root}: {seen[place]} and {path} are one file or folder, by a link; it could be trained on and "
                f"tested on. {todo}"
            )


def entries(folder: Path) -> list[os.DirEntry]:
    """What lies in a folder, sorted by name, without junk (`clipcompat.common.junk`).

    Raises:
        DataError: there is no such folder, or it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            return sorted((e for e in found if not is_junk(e.name)), key=lambda e: e.name)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be listed: {error.strerror or error}.") from error


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does."""
    return name.lower().endswith(PICTURES)


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder, or a link to one.

    Raises:
        DataError: it is a link that leads back to itself.
    """
    try:
        return entry.is_dir()
    except OSError as error:
        why = error.strerror or error
        raise DataError(f"{entry.path} leads nowhere: {why}. It is a link to itself; remove it.") from error


def read_text(path: Path, todo: str = "") -> str:
    """The content of a text file in UTF-8, with or without a byte-order mark.

    Raises:
        DataError: it cannot be read or is not UTF-8; the message ends with `todo`.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. {todo}".rstrip()) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file in UTF-8: {error}. {todo}".rstrip()) from error


def first(names: list[str], count: int = 5) -> str:
    """The first few names, for a sentence. What is not UTF-8 is escaped: not every terminal can show it."""
    shown = ", ".join(names[:count]) + (", …" if len(names) > count else "") if names else "none"
    return shown.encode(errors="backslashreplace").decode()


def _there(folder: Path) -> str:
    found = [entry.name + "/" * is_folder(entry) for entry in entries(folder)]
    return f"In {folder} there is: {first(found, 6)}." if found else f"{folder} is empty."
