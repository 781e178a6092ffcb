"""From nothing to a data set in the community's layout: fetch, verify, unpack, put in place.

Nothing is fetched unless this is called. An archive is unpacked beside the place where it belongs and moved there when
it is whole, so that a reader never sees half of it; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from clipcompat.common.errors import DataError, StorageError
from clipcompat.common.files import write_atomic
from clipcompat.common.progress import Progress
from clipcompat.data.fetch.archives import unpack
from clipcompat.data.fetch.download import download, verify
from clipcompat.data.fetch.sources import SOURCES, Archive, Source
from clipcompat.data.public.imagenet_names import write_classnames
from clipcompat.data.public.layout import find_layout
from clipcompat.data.public.local_split import check_own_split, write_own_split

DOWNLOADS = "downloads"
"""Under the data root: archives that were fetched, or put there by hand. They may go once a data set is in place."""


def fetch_dataset(
    name: str, root: str | Path, *, own_split: bool = False, source: Source | None = None,
    progress: Progress | None = None, say: Callable[[str], None] = lambda sentence: None,
) -> Path:  # fmt: skip
    """Bring what is missing of a data set into `root`; its folder. What is there already is left as it is.

    Args:
        own_split: make a split here instead of fetching the published one; results on it say so.
        source: instead of the documented one of `sources.SOURCES`.
        progress: called with (MiB done, MiB in all, what).
        say: gets a sentence on every step.

    Raises:
        UnknownNameError: no such data set. ConfigError: it needs no own split.
        DataError: it cannot be fetched, with the exact steps instead; or what came is not what it should be.
        StorageError: it cannot be written here.
    """
    layout = find_layout(name)
    source = source or SOURCES[layout.name]
    folder, downloads = Path(root).expanduser() / layout.folder, Path(root).expanduser() / DOWNLOADS

    def bring(archive: Archive) -> None:
        if all((folder / place).exists() for place in archive.places):
            return
        path = downloads / archive.file
        if path.exists():
            say(f"{path} is there already")
            verify(path, archive.checksum)
        elif archive.url:
            say(f"fetching {archive.url}")
            download(archive.url, path, archive.checksum, progress)
        else:
            raise DataError(f"{layout.name} cannot be fetched: {_steps(source, folder, downloads)}")
        _place(archive, path, folder, progress)
        say(f"in place: {', '.join(str(folder / place) for place in archive.places)}")

    if own_split:  # before anything is fetched for nothing
        check_own_split(layout, folder)
    try:
        (folder / layout.image_root).parent.mkdir(parents=True, exist_ok=True)
        if source.split and not own_split:
            try:
                bring(source.split)
            except DataError as error:  # what has to be done by hand can be told all the same
                if not source.by_hand or all((folder / p).exists() for a in source.pictures for p in a.places):
                    raise
                steps = _steps(source, folder, downloads)
                raise DataError(f"{layout.name} cannot be fetched: {steps}\nNor, now, its split: {error}") from error
        if layout.split_file == "classnames.txt" and not (folder / layout.split_file).exists():
            say(f"in place: {write_classnames(folder / layout.split_file)}")
        for archive in source.pictures:
            bring(archive)
        if not all((folder / place).is_dir() for place in source.asked_for):
            raise DataError(f"{layout.name} cannot be fetched: {_steps(source, folder, downloads)}")
        if own_split:
            for archive in source.lists:
                bring(archive)
            say(f"in place: {write_own_split(layout, folder)}, an own split: records and tables will say so")
    except OSError as error:
        raise StorageError(
            f"{layout.name} could not be put into {folder}: {error.strerror or error}. Free some space or choose "
            "another root, and run the same command, which goes on from there."
        ) from error
    return folder


def _place(archive: Archive, path: Path, folder: Path, progress: Progress | None) -> None:
    if not archive.keep:
        write_atomic(folder / archive.file, path.read_bytes())
        return
    work = folder / f".unpacking-{archive.file}"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    try:
        if archive.inner:
            unpack(path, work / "outer", {archive.inner: archive.inner}, progress)
            path = work / "outer" / archive.inner
        unpack(path, work / "pictures", archive.keep, progress)
        for place in archive.keep.values():
            if not (folder / place).exists():
                os.replace(work / "pictures" / place, folder / place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _steps(source: Source, folder: Path, downloads: Path) -> str:
    places = {"{root}": downloads.parent, "{folder}": folder, "{downloads}": downloads}
    text = source.by_hand
    for mark, place in places.items():
        text = text.replace(mark, str(place))
    return text
