"""What an audit of a thousand plug-ins takes, as `make bench` measured it."""

from __future__ import annotations

import importlib.resources
import json
from typing import Any


def thousand_row() -> dict[str, Any]:
    """The row "audit-1000" of the shipped measurements."""
    file = importlib.resources.files("clipcompat_book") / "records" / "performance.json"
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    return next(row for row in rows if row["name"] == "audit-1000")


def thousand_sentence() -> str:
    """Time and memory of one command for all, beside one command each."""
    row = thousand_row()
    few, many = (row[key] / 1e6 for key in ("peak_bytes_of_100", "peak_bytes"))
    least, most = row["spread"]["alone"]
    return (
        f"{row['plugins']:,} plug-ins of the miniature in one command took {row['fast_s'] * row['plugins']:.0f} s. One "
        f"command each would take {row['reference_s'] * row['plugins'] / 3600:.1f} hours, {row['ratio']:.0f} times as "
        f"long (those that were timed took {least:.0f} to {most:.0f} s). Memory: {many:.0f} MB, and {few:.0f} MB for "
        "100 plug-ins."
    )
