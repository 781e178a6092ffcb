"""Bring records of earlier versions up to date, in place: titles are added, numbers are not touched."""

import argparse
import json
import sys
from pathlib import Path

from clipcompat.common.errors import ClipcompatError, DataError
from clipcompat.common.files import to_json, write_atomic
from clipcompat.runs.records import UNTITLED, Record, checksum
from clipcompat.runs.titles import make_titles


def migrate(place: str | Path) -> int:
    """Rewrite each record of an earlier version under a folder, or in a .json or .jsonl file; how many there were.

    Raises:
        DataError: there is nothing at `place`, or a record is damaged or was changed after it was written.
    """
    place, count = Path(place), 0
    if not place.exists():
        raise DataError(f"there is no {place}; give a folder of records or a .jsonl file of them.")
    for file in [place] if place.is_file() else sorted(place.rglob("*.json")):
        text = file.read_text(encoding="utf-8")
        texts = text.splitlines() if file.suffix == ".jsonl" else [text]
        fresh = [_titled(text, f"{file}, record {n}") for n, text in enumerate(texts, 1)]
        done = sum(record is not None for record in fresh)
        if done and file.suffix == ".jsonl":
            rows = [t if r is None else to_json(r.to_dict(), indent=None) for t, r in zip(texts, fresh, strict=True)]
            write_atomic(file, "".join(f"{row}\n" for row in rows))
        elif done:
            write_atomic(file, to_json(fresh[0].to_dict()))
        count += done
    return count


def _titled(text: str, where: str) -> Record | None:
    """The record with its titles; None if it is not of the earlier version."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where} is not readable ({error}); delete it and run again.") from error
    if not isinstance(content, dict) or content.get("format") != UNTITLED:
        return None
    if content.get("checksum") != checksum(content):
        raise DataError(f"{where} was changed after it was written: its checksum is wrong. Delete it and run again.")
    parts = {k: v for k, v in content.items() if k not in ("format", "id", "checksum")}
    return Record(**parts, titles=make_titles(content["inputs"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m clipcompat.runs.migrate", description=__doc__)
    parser.add_argument("places", nargs="+", metavar="PLACE", help="a folder of records, or a .jsonl file of them")
    try:
        print(f"{sum(map(migrate, parser.parse_args().places))} records brought up to date")
    except ClipcompatError as error:
        sys.exit(f"clipcompat: {error}")
