"""Must I re-embed my stored image vectors? Sentences from the cross-tower table; directions are paired by seed."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.common.errors import unknown_name
from clipcompat.runs.records import Record
from clipcompat_book.chapters.controls.towers import Numbers, tower_numbers
from clipcompat_book.words import apart, datasets

_SIDES = {"text": "acts on the text side", "image": "acts on the image side", "neither": "no plug-in"}


def stored_vectors(records: Sequence[Record]) -> str:
    """What happens to stored old vectors when the text side alone is upgraded: a Markdown list, one line per method.

    Each line compares with the whole upgrade (vectors computed again), with no upgrade at all, and, where the method
    was tuned on the mixed pair too, with that.
    """
    methods = tower_numbers(records)
    return "\n".join(f"- {_stored(of)}" for of in methods.values())


def reverse(records: Sequence[Record]) -> str:
    """The opposite: image vectors computed again with new, the text side left at old; a Markdown list."""
    return "\n".join(f"- **{title}:** {_against(of, 'new_old')}" for title, of in tower_numbers(records).items())


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


def _stored(of: Numbers) -> str:
    words = f"**{of.title}** ({_SIDES[of.side]}): {_against(of, 'old_new')}"
    if of.side == "image" and not any(of.gap("old_new", "old_old").by_dataset.values()):
        return words + " It reads no text, so the text tower changes nothing."
    again = of.gap("old_new", "old_new", ("retrained", "carried"))
    if again:
        best = of.gap("old_new", "old_old", ("retrained", "carried"))
        words += f" Tuned on this mixed pair instead: {apart(again)}; against old with old {apart(best)}."
    return words


def _against(of: Numbers, cell: str) -> str:
    """The accuracy of a mixed pair, beside both unmixed ones and zero-shot on the same pair."""
    whole, none = of.gap(cell, "new_new"), of.gap(cell, "old_old")
    words = f"{of.mean(cell).mean:.1f} %; against the whole upgrade {apart(whole)}; against old with old "
    words += f"{apart(none)}."
    if of.side == "neither":
        return words
    gain = of.gap(cell, cell, ("carried", "zero_shot"))
    return f"{words} Against zero-shot on this pair: {apart(gain)}."
