"""Looking for a data set on disk, and saying what is missing and what is there instead."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.data.public.layout import Layout


def find_folder(layout: Layout, root: str | Path | None) -> Path:
    """The data set's folder under `root`; its image root and its split file (or class names) are there.

    Raises:
        DataError: no root was given, or one of these is missing.
    """
    if root is None:
        raise DataError(
            f"{layout.name} is read from disk: pass root= (on the command line: --root), "
            f"the folder that holds {layout.folder}/."
        )
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataError(f"the root {root} is no folder; it must be the folder that holds {layout.folder}/.")
    folder = root / layout.folder
    if not folder.is_dir():
        todo = f"Put the data set there, or pass the root that holds {layout.folder}/. {_fetch(layout, root)}"
        if (root / layout.image_root).is_dir() and (root / layout.split_file).is_file():
            todo = f"This looks like the data set itself: name it {layout.folder} and pass its parent as root."
        raise DataError(f"{layout.name} is expected in {folder}, which is not there. {_there(root)} {todo}")
    if not (folder / layout.split_file).is_file():
        what = "its class names"
        if layout.reader == "json":
            what = "the fixed split behind published numbers; none is made up in its place"
        raise DataError(
            f"{layout.name} needs {folder / layout.split_file} ({what}). {_there(folder)} "
            f"Put it there, as CoOp's DATASETS.md says. {_fetch(layout, root)}"
        )
    if not (folder / layout.image_root).is_dir():
        raise DataError(
            f"the pictures of {layout.name} are expected in {folder / layout.image_root}, which is not "
            f"there. {_there(folder)} Unpack them there, as CoOp's DATASETS.md says. {_fetch(layout, root)}"
        )
    return folder


def check_present(root: Path, paths: Iterable[str], name: str) -> None:
    """Look for pictures with one listing a folder: single look-ups on a network disk take minutes.

    Raises:
        DataError: with the number missing, the first three, and whole folders that are not there.
    """
    paths = list(paths)
    missing, no_folder = find_missing(root, paths)
    if missing:
        folders = f" Whole folders are missing: {first(no_folder, 3)}." if no_folder else ""
        raise DataError(
            f"{name}: {len(missing):,} of the {len(set(paths)):,} pictures needed are not in "
            f"{root}: {first(missing, 3)}.{folders} Unpack the data set again, or take the split file that "
            "belongs to these pictures."
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
            found = {f"{parent}/{entry.name}" if parent else entry.name for entry in entries(root / parent)}
        else:
            no_folder.append(parent)
        # A split may name a hidden file, which entries() leaves out; such files are looked up one by one.
        missing += [path for path in sorted(files - found) if not (root / path).is_file()]
    return missing, no_folder


def entries(folder: Path) -> list[os.DirEntry]:
    """What lies in a folder, sorted by name, without hidden files.

    Raises:
        DataError: there is no such folder, or it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            return sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be listed: {error.strerror or error}.") from error


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder, or a link to one.

    Raises:
        DataError: it is a link that leads back to itself.
    """
    try:
        return entry.is_dir()
    except OSError as error:
        raise DataError(
            f"{entry.path} leads nowhere: {error.strerror or error}. It is a link that comes back to itself; remove it."
        ) from error


def first(names: list[str], count: int = 5) -> str:
    """The first few names, for a sentence; what is not UTF-8 is escaped, since not every terminal can show it."""
    shown = ", ".join(names[:count]) + (", …" if len(names) > count else "") if names else "none"
    return shown.encode(errors="backslashreplace").decode()


def _fetch(layout: Layout, root: Path) -> str:
    return f"`clipcompat data fetch {layout.name} --root {root}` brings what is missing, or says how to get it."


def _there(folder: Path) -> str:
    found = [entry.name + "/" * is_folder(entry) for entry in entries(folder)]
    return f"In {folder} there is: {first(found, 6)}." if found else f"{folder} is empty."
