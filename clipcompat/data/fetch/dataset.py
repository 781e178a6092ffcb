"""Fetch a data set into the community's layout: download, verify, unpack, put in place.

An archive is unpacked beside its place and moved there when it is whole, so no reader ever sees half of it. A run that
was stopped continues where it was.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from clipcompat.common.errors import ByHandError, DataError, StorageError
from clipcompat.common.files import write_atomic
from clipcompat.common.progress import Progress
from clipcompat.common.text import printable
from clipcompat.data.fetch.archives import unpack
from clipcompat.data.fetch.download import download, verify
from clipcompat.data.fetch.sources import SOURCES, Archive, Source
from clipcompat.data.public.imagenet_names import write_classnames
from clipcompat.data.public.layout import find_layout
from clipcompat.data.public.local_split import check_own_split, write_own_split

DOWNLOADS = "downloads"
"""The folder for archives under the data root. An archive may be deleted once its data set is in place."""


def fetch_dataset(
    name: str,
    root: str | Path,
    *,
    own_split: bool = False,
    source: Source | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Bring what a data set lacks into `root` and return its folder. Existing files are left as they are.

    Args:
        own_split: make a split here instead of fetching the published one; results on it say so.
        source: where to fetch from (default: `sources.SOURCES`).
        progress: called with (MiB done, MiB in all, what).
        say: called with one sentence per step.

    Raises:
        UnknownNameError: no such data set. ConfigError: it needs no own split.
        DataError: it cannot be fetched (the message has the exact steps instead), or a file is not what it should be.
        StorageError: `root` cannot be written.
    """
    layout = find_layout(name)
    source = source or SOURCES[layout.name]
    root = Path(root).expanduser()
    folder, downloads = root / layout.folder, root / DOWNLOADS
    by_hand = source.by_hand
    for mark, place in (("{root}", root), ("{folder}", folder), ("{downloads}", downloads)):
        by_hand = by_hand.replace(mark, printable(str(place)))
    by_hand = f"{layout.name} cannot be fetched: {by_hand}"

    def here(places: Iterable[str]) -> bool:
        return all((folder / place).exists() for place in places)

    def bring(archive: Archive) -> None:
        if here(archive.places):
            return
        path = downloads / archive.file
        if path.exists():
            say(f"{path} is there already")
            verify(path, archive.checksum)
        elif archive.url:
            say(f"fetching {archive.url}")
            download(archive.url, path, archive.checksum, progress)
        else:
            raise ByHandError(by_hand)
        _place(archive, path, folder, progress)
        say(f"in place: {', '.join(str(folder / place) for place in archive.places)}")

    if own_split:  # refuse before anything is fetched
        check_own_split(layout, folder)
    try:
        (folder / layout.image_root).parent.mkdir(parents=True, exist_ok=True)
        if source.split and not own_split:
            try:
                bring(source.split)
            except DataError as error:  # name the steps by hand too, if the pictures need them
                if not source.by_hand or all(here(archive.places) for archive in source.pictures):
                    raise
                raise ByHandError(f"{by_hand}\nNor, now, its split: {printable(str(error))}") from error
        if layout.split_file == "classnames.txt" and not here([layout.split_file]):
            say(f"in place: {write_classnames(folder / layout.split_file)}")
        for archive in source.pictures:
            bring(archive)
        if not here(source.asked_for):
            raise ByHandError(by_hand)
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
    shutil.rmtree(work, ignore_errors=True)  # left by a run that was killed
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
