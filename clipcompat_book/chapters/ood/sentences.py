"""What the records of shifted pictures hold, in a sentence: Markdown, and it changes with the records."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.methods import METHODS
from clipcompat.runs.records import Record
from clipcompat_book.words import method_titles


def records_sentence(records: Sequence[Record]) -> str:
    """Which methods the records have, and which are not made yet."""
    have = method_titles(records)
    missing = [kind.title for name, kind in METHODS.items() if name not in have.values()]
    seeds = sorted({len(record.per_seed) for record in records})
    rest = f" Not made yet: {', '.join(missing)}." if missing else ""
    return f"In the records: {', '.join(have)}, with {'/'.join(map(str, seeds))} seeds.{rest}"
