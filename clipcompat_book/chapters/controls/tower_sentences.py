"""Must I re-embed my stored image vectors? A table and a verdict from the cross-tower table, paired by seed."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.common.errors import unknown_name
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat_book.chapters.controls.towers import tower_numbers
from clipcompat_book.words import STARS, apart, datasets, starred, upgrades

_SIDES = {"text": "text", "image": "images", "neither": "–"}


def mixed_table(records: Sequence[Record]) -> Table:
    """What happens to stored old vectors when the text side alone is upgraded: one row per method.

    Beside the accuracy: minus the whole upgrade (vectors computed again), minus no upgrade at all, minus zero-shot on
    the same pair, and what tuning on the mixed pair adds, where that was done.
    """
    rows = []
    for title, of in tower_numbers(records).items():
        gaps = [of.gap("old_new", "new_new"), of.gap("old_new", "old_old")]
        gaps.append(None if of.side == "neither" else of.gap("old_new", "old_new", ("carried", "zero_shot")))
        gaps.append(of.gap("old_new", "old_new", ("retrained", "carried")))
        rows.append((title, _SIDES[of.side], f"{of.mean('old_new').mean:.1f}", *map(starred, gaps)))
    columns = (
        "method",
        "acts on",
        "accuracy",
        "− whole upgrade",
        "− no upgrade",
        "− zero-shot here",
        "tuned here adds",
    )
    caption = f"Old images, new text, in percent and points, ± half of the 95 % interval; {STARS}. "
    caption += f"Records of {upgrades(records)}."
    return Table(columns, tuple(rows), caption)


def verdict(records: Sequence[Record], method: str) -> str:
    """One sentence: must the stored vectors be computed again, for this method's plug-ins?

    method: a title, as `record.titles.method` gives it.

    Raises:
        UnknownNameError: no records of such a method.
    """
    methods = tower_numbers(records)
    if method not in methods:
        raise unknown_name("method among these records", method, methods)
    of = methods[method]
    saved, upgraded = of.gap("old_new", "new_new"), of.gap("old_new", "old_old")
    on = datasets(len(saved.by_dataset))
    if saved.direction != "lower":
        words = f"No loss is seen with {method} on stored vectors under new's text tower, {on}"
        return f"{words}: against vectors computed again {apart(saved)}; against old with old {apart(upgraded)}."
    instead = {
        "lower": "They are also worse than no upgrade",
        "higher": "They are better than no upgrade",
        "no difference seen": "They are not seen to be better than no upgrade",
    }
    words = f"Yes: with {method}, stored vectors under new's text tower are {apart(saved)} than vectors computed again"
    return f"{words}, {on}. {instead[upgraded.direction]}: against old with old {apart(upgraded)}."
