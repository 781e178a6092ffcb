"""The pictures in a tree of class folders, as keys.

A class is a folder; its pictures lie anywhere below it. Links are followed, but not in a circle. No picture may be
reached twice: a copy in train and in test would be tested on after it was trained on.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.data.public.folders import entries, first, is_folder
from clipcompat.data.public.split_zhou import check_utf8

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


@dataclass
class Walk:
    """One walk over folders below `root`.

    left_out: files without a picture's suffix, or outside class folders. linked: a link was followed.
    """

    root: Path
    left_out: list[str] = field(default_factory=list)
    linked: bool = False

    def folders(self, key: str = "") -> list[str]:
        """Names of the folders in `key` (posix, relative to the root), sorted; loose files are left out."""
        found = []
        for entry, name in self._entries(key):
            if self._is_folder(entry):
                found.append(entry.name)
            else:
                self.left_out.append(name)
        return found

    def classes(self, key: str = "") -> dict[str, list[str]]:
        """Class folder -> keys of its pictures, in sorted order.

        Raises:
            DataError: fewer than two class folders, or one without pictures; a name not in UTF-8; a bad link.
        """
        where = self.root / key
        names = self.folders(key)
        if not names:
            pictures = [name for name in self.left_out if name.lower().endswith(PICTURES)]
            loose = f" Of which class are {first(pictures, 2)}?" if pictures else ""
            raise DataError(f"{where}: expected one folder for each class; there is none.{loose}")
        found = {name: list(self._pictures(f"{key}/{name}".lstrip("/"), ())) for name in names}
        if len(names) == 1:
            raise DataError(
                f"{where}: there is one class folder only ({names[0]}), and a classifier needs two. If that folder "
                "holds the classes, give it instead."
            )
        if empty := [name for name, pictures in found.items() if not pictures]:
            raise DataError(
                f"{where}: no picture ({', '.join(PICTURES)}) is in {len(empty)} of {len(found)} class folders: "
                f"{first(empty)}. Put some there, or remove the folder."
            )
        return found

    def check_once(self, keys: Iterable[str]) -> None:
        """Raise a DataError with both keys of a picture that is reached twice; only links can do that."""
        seen: dict[str, str] = {}
        for key in keys if self.linked else ():
            file = os.path.realpath(self.root / key)
            if seen.setdefault(file, key) != key:
                raise DataError(
                    f"{self.root}: {seen[file]} and {key} are one file, by a link; it could be trained on and tested "
                    "on. Remove one of them."
                )

    def _pictures(self, key: str, above: tuple[str, ...]) -> Iterator[str]:
        real, start = os.path.realpath(self.root / key), os.path.realpath(self.root)
        if real in above or os.path.commonpath([real, start]) == real:
            raise DataError(f"{self.root / key} is a link to a folder that holds it. Remove it.")
        for entry, name in self._entries(key):
            if self._is_folder(entry):
                yield from self._pictures(name, (*above, real))
            elif not name.lower().endswith(PICTURES):
                self.left_out.append(name)
            else:
                yield name

    def _entries(self, key: str) -> Iterator[tuple[os.DirEntry, str]]:
        for entry in entries(self.root / key):
            check_utf8(entry.name, str(self.root / key))
            yield entry, f"{key}/{entry.name}".lstrip("/")

    def _is_folder(self, entry: os.DirEntry) -> bool:
        self.linked = self.linked or entry.is_symlink()
        folder = is_folder(entry)
        if not folder and not entry.is_file():
            raise DataError(f"{entry.path} is no file and no folder (a link to nothing?). Restore it, or remove it.")
        return folder
