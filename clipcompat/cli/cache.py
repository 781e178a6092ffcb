"""The verb `clipcompat cache`: lists the feature caches in a folder and verifies them."""

import argparse
from pathlib import Path
from typing import Any

from clipcompat.common.errors import CacheError, DataError
from clipcompat.common.junk import is_junk
from clipcompat.common.terminal import show


def add_cache_verb(verbs: Any) -> None:
    """Add the verb to the parser's sub-commands."""
    says = "list the feature caches in a folder; with --verify, read all of them and compare their checksums"
    cache = verbs.add_parser("cache", help=says, description=says)
    cache.add_argument("folder", nargs="?", default="results/cache", help="(default: results/cache)")
    cache.add_argument("--verify", action="store_true", help="takes about a second per gibibyte")
    cache.set_defaults(verb=_cache)


def _cache(options: argparse.Namespace) -> None:
    from clipcompat.features.store import FeatureFile

    headers = sorted(path for path in Path(options.folder).glob("*.head") if not is_junk(path.name))
    if not headers:
        raise DataError(f"there is no feature cache in {options.folder}; `clipcompat run --cache DIR` fills one.")
    damaged = []
    for header in headers:
        try:
            file = FeatureFile.open(header)
            file.verify() if options.verify else file.read(0)
            size = file.rows() * file.width * 4 / 2**30
            state = "sound" if options.verify else "whole"
            show(f"{header.stem}  {file.rows():,} rows of {file.width}  {size:.2f} GiB  {state}")
        except CacheError as error:
            damaged.append(error)
            show(f"{header.stem}  damaged")
    if damaged:
        raise CacheError(" ".join(map(str, damaged)))
