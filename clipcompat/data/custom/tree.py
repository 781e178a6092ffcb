"""The pictures in a tree of class folders, as keys.

A class is a folder; its pictures lie anywhere below it. But a folder that holds no picture, and several folders of
pictures, is no class: it may be a part or a group of classes. Links are followed, but not in a circle.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.data.public.folders import PICTURES, entries, first, is_folder, is_picture
from clipcompat.data.public.split_zhou import check_utf8

LAYOUT = "CLASS/picture.jpg, or train/CLASS/picture.jpg and the same in test (and val)"
"""What a tree should look like, for a sentence."""


@dataclass
class Walk:
    """One walk over folders below `root`.

    left_out: files without a picture's suffix, or outside class folders.
    """

    root: Path
    left_out: list[str] = field(default_factory=list)

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
            DataError: fewer than two class folders, or one without pictures; a folder of folders instead of a class;
                a name not in UTF-8; a bad link.
        """
        where = self.root / key
        names = self.folders(key)
        if not names:
            pictures = [name for name in self.left_out if is_picture(name)]
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
        inside = {name: _branches(f"{key}/{name}".lstrip("/"), pictures) for name, pictures in found.items()}
        if groups := [name for name in names if inside[name]]:
            raise DataError(
                f"{where}: {len(groups)} of {len(names)} folders hold no picture, but several folders of pictures, as "
                f"{groups[0]} does ({first(inside[groups[0]], 3)}); such a folder is no class. Expected {LAYOUT}. Call "
                "parts train, val and test, or put the pictures of a class into one folder."
            )
        return found

    def _pictures(self, key: str, above: tuple[str, ...]) -> Iterator[str]:
        real, start = os.path.realpath(self.root / key), os.path.realpath(self.root)
        if real in above or os.path.commonpath([real, start]) == real:
            raise DataError(f"{self.root / key} is a link to a folder that holds it. Remove it.")
        for entry, name in self._entries(key):
            if self._is_folder(entry):
                yield from self._pictures(name, (*above, real))
            elif not is_picture(name):
                self.left_out.append(name)
            else:
                yield name

    def _entries(self, key: str) -> Iterator[tuple[os.DirEntry, str]]:
        for entry in entries(self.root / key):
            check_utf8(entry.name, str(self.root / key))
            yield entry, f"{key}/{entry.name}".lstrip("/")

    def _is_folder(self, entry: os.DirEntry) -> bool:
        folder = is_folder(entry)
        if not folder and not entry.is_file():
            raise DataError(f"{entry.path} is no file and no folder (a link to nothing?). Restore it, or remove it.")
        return folder


def _branches(folder: str, pictures: list[str]) -> list[str]:
    """The folders into which one without a picture of its own divides; none if there are fewer than two.

    A folder that holds a single folder is passed: "cat/images/1.jpg" is a picture of the class cat.
    """
    depth = folder.count("/") + 1
    while all(key.count("/") > depth for key in pictures):
        inside = sorted({"/".join(key.split("/")[: depth + 1]) for key in pictures})
        if len(inside) != 1:
            return inside
        depth += 1
    return []
