"""The command line's verb for the fifteen public data sets: list, check and fetch them."""

import argparse
from pathlib import Path
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.common.terminal import Bars, show

_FETCH = """\
bring a data set into the community's layout: download (resumable, checksummed), unpack, put in place; where a licence
or a dead address forbids that, the exact steps are printed instead

  clipcompat data fetch eurosat --root $DATA
  clipcompat data check eurosat --root $DATA
"""


def add_data_verbs(verbs: Any) -> None:
    """Add `data` with its own sub-commands to the parser's."""
    data = verbs.add_parser("data", help="the fifteen public datasets: list, check, fetch")
    data = data.add_subparsers(required=True, metavar="VERB")

    listed = data.add_parser("list", help="their folders and sizes, what can be fetched, and which are here")
    listed.add_argument("--root", metavar="DATA", help="the folder that holds the datasets' folders")
    listed.set_defaults(verb=_list)

    check = data.add_parser("check", help="verify layout, counts, every path and every picture; 1 if anything is wrong")
    check.add_argument("names", nargs="+", metavar="NAME", help="see `clipcompat data list`")
    check.add_argument("--root", metavar="DATA", required=True, help="the folder that holds the datasets' folders")
    check.add_argument("--fast", action="store_true", help="do not open the pictures")
    check.add_argument("--workers", type=int, help="threads that open pictures (default: two for each core)")
    check.set_defaults(verb=_check)

    about = {"description": _FETCH, "formatter_class": argparse.RawDescriptionHelpFormatter}
    fetch = data.add_parser("fetch", help="download one, or say how to get it", **about)
    fetch.add_argument("name", metavar="NAME", help="see `clipcompat data list`")
    fetch.add_argument("--root", metavar="DATA", required=True, help="where its folder goes")
    own_split = "make a split by upstream's rule instead of fetching the published one; records and tables say so"
    fetch.add_argument("--own-split", action="store_true", help=own_split)
    fetch.set_defaults(verb=_fetch)


def _list(options: argparse.Namespace) -> None:
    from clipcompat.data.fetch.sources import SOURCES
    from clipcompat.data.public.layout import LAYOUTS

    rows = [("name", "folder", "classes", "train", "test", "fetch", "here" if options.root else "")]
    for layout in LAYOUTS:
        source = SOURCES[layout.name]
        what = source.size or "its class names"
        if source.by_hand:
            what = f"pictures by hand; {'its split' if source.split else 'its class names'}"
        places = [place for archive in source.pictures for place in archive.places] + list(source.asked_for)
        here = _here(layout, places, Path(options.root).expanduser()) if options.root else ""
        train = f"{layout.train_size:,}" if layout.train_size else "–"
        rows.append((layout.name, f"{layout.folder}/", str(layout.classes), train, f"{layout.test_size:,}", what, here))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        show("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if options.root and not Path(options.root).expanduser().is_dir():
        show(f"{options.root} is no folder (yet).")


def _here(layout: Any, places: list[str], root: Path) -> str:
    """Which of pictures and split are under the root; whether they are complete only a check can tell."""
    folder = root / layout.folder
    pictures = all((folder / place).exists() for place in places)
    lists = (folder / layout.split_file).is_file()
    if pictures and lists:
        return "yes"
    what = "split file" if layout.reader == "json" else layout.split_file
    return f"pictures, no {what}" if pictures else f"{what}, no pictures" if lists else "no"


def _check(options: argparse.Namespace) -> None:
    from clipcompat.data.fetch.check import check_dataset

    if options.workers is not None and options.workers < 1:
        raise DataError(f"--workers must be at least 1, not {options.workers}.")
    wrong = []
    for name in options.names:
        with Bars() as bars:
            found = check_dataset(name, options.root, fast=options.fast, workers=options.workers, progress=bars)
        opened = "" if options.fast else f", {found.decoded:,} pictures opened"
        sizes = f"{found.train:,} train, {found.val:,} val, {found.test:,} test"
        show(f"{found.name}: {found.classes} classes, {sizes}{opened}")
        for sentence in found.problems:
            show(f"  wrong: {sentence}")
        for sentence in found.notes:
            show(f"  note: {sentence}")
        if found.problems:
            wrong.append(f"{found.name} ({len(found.problems):,})")
    if wrong:
        raise DataError(f"found wrong: {', '.join(wrong)}; see above.")


def _fetch(options: argparse.Namespace) -> None:
    from clipcompat.data.fetch.dataset import fetch_dataset
    from clipcompat.data.public.layout import find_layout

    with Bars() as bars:
        folder = fetch_dataset(options.name, options.root, own_split=options.own_split, progress=bars, say=bars.say)
    name = find_layout(options.name).name
    show(folder)
    show(f"Now verify it: clipcompat data check {name} --root {options.root}")
