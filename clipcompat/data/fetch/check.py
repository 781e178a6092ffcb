"""Check a whole data set on disk: layout, counts, every path of its lists, every picture."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.common.progress import Progress
from clipcompat.data.fetch.download import file_hash
from clipcompat.data.fetch.sources import SOURCES
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.pictures.opening import find_unreadable
from clipcompat.data.public.folders import find_folder, find_missing
from clipcompat.data.public.layout import Layout, find_layout
from clipcompat.data.public.listings import read_listing
from clipcompat.data.public.split_zhou import Item, is_own_split


@dataclass(frozen=True)
class Check:
    """What a check found.

    classes, train, val, test: sizes of its lists; 0 where they cannot be read. decoded: pictures that opened.
    problems: one sentence per missing or broken thing. notes: sentences on what is sound but worth knowing.
    """

    name: str
    classes: int = 0
    train: int = 0
    val: int = 0
    test: int = 0
    decoded: int = 0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_dataset(
    name: str, root: str | Path, *, fast: bool = False, workers: int | None = None, progress: Progress | None = None
) -> Check:
    """Check a public data set and report everything that is wrong with it.

    Args:
        fast: do not open the pictures.
        workers: threads that decode (default: two per core). PIL decodes without Python's lock.
        progress: called with (pictures opened, pictures, what).

    Raises:
        UnknownNameError: no such data set.
    """
    layout = find_layout(name)
    try:
        folder = find_folder(layout, root)
        listing = read_listing(layout, folder)
    except DataError as error:
        return Check(layout.name, problems=(str(error),))
    labels = {label for items in listing.values() for _, label, _ in items}
    found = Check(layout.name, len(labels), **{part: len(items) for part, items in listing.items()})
    paths = list(dict.fromkeys(path for items in listing.values() for path, _, _ in items))
    image_root = folder / layout.image_root
    missing, no_folder = find_missing(image_root, paths)
    problems, decoded = [*_sizes(layout, found), *_missing(missing, no_folder)], 0
    if not fast:
        present = ImageFiles(image_root, tuple(sorted(set(paths) - set(missing))), layout.name)
        threads = workers or 2 * (os.cpu_count() or 1)
        broken = find_unreadable(present, range(len(present)), progress, f"pictures of {layout.name}", threads)
        problems += broken.values()
        decoded = len(present) - len(broken)
    return replace(found, decoded=decoded, problems=tuple(problems), notes=tuple(_notes(layout, folder, listing)))


def _sizes(layout: Layout, found: Check) -> Iterator[str]:
    for what, came, complete in (
        ("classes", found.classes, layout.classes),
        ("training pictures", found.train, layout.train_size),
        ("test pictures", found.test, layout.test_size),
    ):
        if came != complete:
            yield f"{came:,} {what} in its lists; the complete data set has {complete:,}."


def _missing(missing: list[str], no_folder: list[str]) -> Iterator[str]:
    """One sentence per missing folder, and per missing picture of a folder that is there."""
    gone = set(no_folder)
    counts = Counter(path.rpartition("/")[0] for path in missing)
    for folder in no_folder:
        yield f"{folder}/ is not there, with {counts[folder]:,} pictures."
    for path in missing:
        if path.rpartition("/")[0] not in gone:
            yield f"{path} is not there."


def _notes(layout: Layout, folder: Path, listing: dict[str, list[Item]]) -> Iterator[str]:
    path, published = folder / layout.split_file, SOURCES[layout.name].split
    if layout.reader == "json" and is_own_split(path):
        yield f"{path.name} was made here (an own split), not published; records and tables say so."
    elif published and file_hash(path, "git") != published.checksum.partition(":")[2]:
        yield f"{path.name} is not, byte for byte, the file that is published under this name."
    if not listing["val"] and listing["train"]:
        yield "it has no validation list; load_dataset draws one from the training pictures that are left over."
