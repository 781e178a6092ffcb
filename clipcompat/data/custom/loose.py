"""Pictures without classes: files, and whatever pictures lie in folders."""

import os
from collections.abc import Sequence
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.common.junk import is_junk
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.public.folders import PICTURES, is_picture


def loose_pictures(paths: Sequence[str | Path], upright: bool = False) -> ImageFiles:
    """The files given, and the pictures at any depth below the folders given, in sorted order; what desktops leave is
    passed over, and so are links to folders.

    Raises:
        DataError: a path that is not there; a folder without a picture; nothing was given.
    """
    found: list[str] = []
    for path in (Path(p).expanduser() for p in paths):
        if path.is_dir():
            inside = sorted(_below(path))
            if not inside:
                raise DataError(f"{path} has no picture ({', '.join(PICTURES)}); give a folder of pictures, or files.")
            found += inside
        elif path.exists():
            found.append(str(path))
        else:
            raise DataError(f"there is no {path}; give pictures, or a folder of them.")
    if not found:
        raise DataError("no picture was given; give pictures, or a folder of them.")
    whole = list(dict.fromkeys(os.path.abspath(path) for path in found))
    root = Path(os.path.commonpath([os.path.dirname(path) for path in whole]))  # so that no key names this machine
    return ImageFiles(root, tuple(Path(path).relative_to(root).as_posix() for path in whole), "pictures", upright)


def _below(folder: Path) -> list[str]:
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_junk(name)]
        found += [os.path.join(here, name) for name in files if is_picture(name) and not is_junk(name)]
    return found
