"""How chapters write numbers and names: signs, "mean ± x", differences with their direction, the order of methods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from clipcompat.methods import KNOWN
from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.statistic import DIRECTIONS, Direction, Statistic

_NAMED = 2
"""Of more datasets than these, a sentence says only how many."""


class Spread(Protocol):
    """A mean and half the width of its 95 % interval; None for one value."""

    @property
    def mean(self) -> float: ...

    @property
    def interval(self) -> float | None: ...


def with_interval(value: Spread | None, sign: str = "") -> str:
    """ "71.2 ± 0.5", or "–" for None. sign: "+" writes the sign of positive numbers too."""
    if value is None:
        return "–"
    return f"{value.mean:{sign}.1f}" + ("" if value.interval is None else f" ± {value.interval:.1f}")


def points(value: float, positive: str, negative: str) -> str:
    """ "5.0 points higher": the absolute value, and one of two words for its sign."""
    return f"{abs(value):.1f} points {negative if value < 0 else positive}"


def apart(gap: Statistic | Comparison, positive: str = "higher", negative: str = "lower") -> str:
    """A difference with its interval: "5.0 ± 1.2 points higher", or "no difference seen (+0.4 ± 1.2 points)".

    A direction that changes when one dataset leaves is followed by that: "… higher (no difference seen without tints)".
    """
    words = {"higher": positive, "lower": negative}
    turns = _turns(gap, words) if isinstance(gap, Comparison) else ""
    if gap.direction == "no difference seen":
        doubt = "" if gap.interval is not None else ", one seed"
        return f"{gap.direction} ({with_interval(gap, '+')} points{doubt}{'; ' * bool(turns)}{turns})"
    return f"{abs(gap.mean):.1f} ± {gap.interval:.1f} points {words[gap.direction]}" + (f" ({turns})" if turns else "")


STARS = "* the interval leaves 0 out; (*) whether it does hangs on one dataset"
"""What captions of tables say whose cells come from `starred`."""


def starred(gap: Statistic | Comparison | None) -> str:
    """ "+5.0 ± 1.2 *": a difference for a cell of a table, with the mark that `STARS` explains; "–" for None."""
    if gap is None:
        return with_interval(None)
    told = "" if gap.direction == "no difference seen" else " *"
    return with_interval(gap, "+") + (" (*)" if isinstance(gap, Comparison) and gap.flips else told)


def by_direction(gaps: Mapping[str, Comparison], positive: str = "higher", negative: str = "lower") -> str:
    """ "higher: KgCoOp, MaPLe (hangs on one dataset); no difference seen: CoOp": names, grouped by their direction."""
    doubt = {name: " (hangs on one dataset)" if gap.flips else "" for name, gap in gaps.items()}
    names = {how: [n + doubt[n] for n, gap in gaps.items() if gap.direction == how] for how in DIRECTIONS}
    words = {"higher": positive, "lower": negative}
    return "; ".join(f"{words.get(how, how)}: {', '.join(found)}" for how, found in names.items() if found)


def direction(gap: Statistic | Comparison, positive: str, negative: str, same: str) -> str:
    """A difference without its numbers, for a sentence beside a table: "below zero-shot (higher without tints)".

    positive, negative, same: the words for the three directions.
    """
    words = {"higher": positive, "lower": negative, "no difference seen": same}
    turns = _turns(gap, {}) if isinstance(gap, Comparison) else ""
    return words[gap.direction] + (f" ({turns})" if turns else "")


def _turns(gap: Comparison, words: Mapping[str, str]) -> str:
    """ "higher without tints or without actions": the directions without one dataset, where they are others."""
    found = []
    for direction in DIRECTIONS:
        names = [short_name(dataset) for dataset in gap.flips if gap.without[dataset] == direction]
        which = " or without ".join(names) if len(names) <= _NAMED else f"any one of {len(names)} datasets"
        found += [f"{words.get(direction, direction)} without {which}"] * bool(names)
    return ", ".join(found)


def counted(directions: Mapping[str, Direction], named: bool = True) -> str:
    """ "higher on 1 (mini/tints); no difference seen on 2 (…)": how many have each direction, and which."""
    sets = {how: [name for name, own in directions.items() if own == how] for how in DIRECTIONS}
    names = {how: f" ({', '.join(found)})" if named else "" for how, found in sets.items()}
    return "; ".join(f"{how} on {len(found)}{names[how]}" for how, found in sets.items() if found)


def datasets(count: int) -> str:
    """ "1 dataset", "11 datasets"."""
    return f"{count} dataset{'s' * (count != 1)}"


def indexed(text: str) -> str:
    """ "W<sub>O</sub>" for "W_O": an index as plotly writes it."""
    return re.sub(r"(?<!\w)([A-Za-zω])_([A-Za-z0-9])(?!\w)", r"\1<sub>\2</sub>", text)


def upgrades(records: Iterable[Record]) -> str:
    """ "mini alone" or "2 upgrades (mini; mini-large)": on what records were made, where a claim reaches no further."""
    names = list(dict.fromkeys(record.titles.upgrade for record in records))
    return f"{names[0]} alone" if len(names) == 1 else f"{len(names)} upgrades ({'; '.join(names)})"


def short_name(dataset: str) -> str:
    """ "textures" for "mini/textures": what one axis or table of mini datasets needs."""
    return dataset.removeprefix("mini/")


def name_title(method: str) -> str:
    """How texts call a method: "Tip-Adapter-F" for "tip_adapter_f"."""
    return KNOWN[method].title if method in KNOWN else method


def method_rank(method: str) -> int:
    """The place of a method in the registry; unknown methods come last."""
    return [*KNOWN, method].index(method)


def method_titles(records: Iterable[Record]) -> dict[str, str]:
    """Title -> name of every method among records, in the registry's order, default settings before changed ones."""
    names = {record.titles.method: record.method for record in records}
    return {title: names[title] for title in sorted(names, key=lambda t: (method_rank(names[t]), len(t)))}
