"""Bring records of earlier versions up to date, in place: titles are added, numbers are not touched.

python -m clipcompat.runs.migrate results/            # a folder of records, or a .jsonl of them
"""

import json
import sys
from pathlib import Path
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.common.files import to_json, write_atomic
from clipcompat.runs.records import UNTITLED, Record, checksum, write_lines
from clipcompat.runs.titles import make_titles


def migrate(place: str | Path) -> int:
    """Rewrite each record of an earlier version under `place`; how many there were.

    Raises:
        DataError: such a record was changed after it was written.
    """
    place, count = Path(place), 0
    for file in [place] if place.is_file() else sorted(place.rglob("*.json")):
        lines = file.suffix == ".jsonl"
        text = file.read_text(encoding="utf-8")
        contents = [json.loads(line) for line in text.splitlines()] if lines else [json.loads(text)]
        if not all(isinstance(c, dict) and c.get("format") == UNTITLED for c in contents):
            continue
        records = [_titled(content, str(file)) for content in contents]
        write_lines(file, records) if lines else write_atomic(file, to_json(records[0].to_dict()))
        count += len(records)
    return count


def _titled(content: dict[str, Any], where: str) -> Record:
    if content["checksum"] != checksum(content):
        raise DataError(f"{where} was changed after it was written: its checksum is wrong. Delete it and run again.")
    parts = {k: v for k, v in content.items() if k not in ("format", "id", "checksum")}
    return Record(**parts, titles=make_titles(content["inputs"]))


if __name__ == "__main__":
    print(f"{sum(map(migrate, sys.argv[1:]))} records brought up to date")
