"""The records that this version ships, so that a chapter can show results without making them."""

from __future__ import annotations

import importlib.resources

from clipcompat.common.errors import unknown_name
from clipcompat.runs.records import Record, read_lines


def committed_records(name: str) -> list[Record]:
    """The records of one list: "compatibility", "names_and_shots".

    Raises:
        UnknownNameError: this version ships no such list. DataError: it was changed by hand.
    """
    folder = importlib.resources.files("clipcompat_book") / "records"
    known = sorted(p.name.removesuffix(".jsonl") for p in folder.iterdir() if p.name.endswith(".jsonl"))
    if name not in known:
        raise unknown_name("list of records", name, known)
    return read_lines(folder / f"{name}.jsonl")
