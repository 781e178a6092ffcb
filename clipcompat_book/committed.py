"""The records that this version ships, so that a chapter can show results without making them."""

from __future__ import annotations

import importlib.resources

from clipcompat.common.errors import unknown_name
from clipcompat.runs.records import Record, read_lines


def list_names() -> list[str]:
    """The lists that this version ships, sorted."""
    return sorted(p.name.removesuffix(".jsonl") for p in _folder().iterdir() if p.name.endswith(".jsonl"))


def committed_records(name: str) -> list[Record]:
    """The records of one list: "compatibility", "names_and_shots".

    Raises:
        UnknownNameError: this version ships no such list. DataError: it was changed by hand.
    """
    if name not in (known := list_names()):
        raise unknown_name("list of records", name, known)
    return read_lines(_folder() / f"{name}.jsonl")


def all_committed() -> list[Record]:
    """The records of all lists."""
    return [record for name in list_names() for record in committed_records(name)]


def _folder():
    return importlib.resources.files("clipcompat_book") / "records"
