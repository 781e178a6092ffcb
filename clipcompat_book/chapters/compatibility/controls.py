"""What is left of a plug-in's gain on the controls, in points above zero-shot on new.

A control is an upgrade of which it is known what it kept: everything (old → old), one of the towers, part of the way,
or nothing (the seed twin, a new backbone that was pretrained alone). Where a plug-in adds as much on the twin as on the
true upgrade, what it adds is no sign of compatibility.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from clipcompat.common.errors import unknown_name
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.report import Compatibility
from clipcompat.studies.statistic import Statistic
from clipcompat_book.means import by_dataset, by_seed, groups, of_method, over_zero_shot, reports_of
from clipcompat_book.words import direction, points, with_interval

UPGRADE, IDENTITY, TWIN = "the upgrade", "nothing changed", "seed twin"
TEXT_ONLY, IMAGE_ONLY = "text tower only", "image tower only"
_TITLES = {"mini": UPGRADE, "mini-identity": IDENTITY, "mini-text-only": TEXT_ONLY, "mini-image-only": IMAGE_ONLY}
_STEP, _PAIR = re.compile(r"after step (\d+)"), re.compile(r"pair (\d+)")


@dataclass(frozen=True)
class Gain:
    """New accuracy minus zero-shot on new, in points, of one method on one upgrade.

    by_set: dataset -> mean over seeds. mean: of these. interval: half-width of the 95 % t-interval of the mean over
    seeds (how much other draws of training pictures would move it); None for one seed. change: mean of new minus old.
    """

    by_set: dict[str, float]
    mean: float
    interval: float | None
    change: float


def shipped_pair(records: Sequence[Record]) -> list[Record]:
    """The records of the mini upgrade with its own weights: no control, no other pair."""
    given = ("old_weights", "new_weights")
    return [r for r in records if r.inputs["upgrade"] == "mini" and not any(r.inputs[side] for side in given)]


def gains(records: Sequence[Record]) -> dict[str, Gain]:
    """Upgrade -> gain, from records of one method; from nothing changed to nothing kept.

    Other families of upgrades (mini-large, the public ones) and weights that the manifest does not know are left out.
    """
    by_title = groups(records, _title)
    return {title: _gain(by_title[title]) for title in sorted(filter(None, by_title), key=_place)}


def difference(
    records: Sequence[Record], first: str, second: str, measure: Callable[[Compatibility], float]
) -> dict[str, Statistic]:
    """Upgrade -> `first` minus `second` in `measure`, paired by seed, mean over datasets; n is the number of seeds."""
    differences = {}
    for title, mine in groups(records, lambda r: r.titles.upgrade).items():
        one, two = (by_seed(reports_of(r for r in mine if r.titles.method == m), measure) for m in (first, second))
        if gaps := [one[seed] - two[seed] for seed in one if seed in two]:
            differences[title] = Statistic.of(gaps)
    return differences


def pairs_table(records: Sequence[Record], first: str, second: str) -> Table:
    """`first` minus `second` on new, in points: one row per independently pretrained pair, and the mean of the pairs.

    Seeds of one pair say how repeatable a number is on that pair. Only several pairs say whether it holds on the next
    one. So the interval of the last row is over pairs; that of a pair is over its seeds, paired.
    """
    gaps = difference(records, first, second, over_zero_shot)
    pairs = {title: gaps[title] for title in sorted(gaps) if re.fullmatch(r"mini(, pair \d+)?", title)}
    rows = [(t if "," in t else f"{t}, pair 1", with_interval(gap, "+")) for t, gap in pairs.items()]
    mean = Statistic.of([gap.mean for gap in pairs.values()])
    rows.append((f"mean of {len(pairs)} pairs", with_interval(mean, "+")))
    columns = ("upgrade", f"{first} minus {second} on new")
    return Table(columns, tuple(rows), "Points, mean over datasets, ± half of the 95 % interval.")


def control_sentences(records: Sequence[Record], method: str) -> str:
    """What the controls say about one method's gain on the true upgrade, and what each rules out: a Markdown list.

    method: a title, as `record.titles.method` gives it. Controls without records are left out.

    Raises:
        UnknownNameError: no records of such a method, or none on the true upgrade.
    """
    on = gains(of_method(records, method))
    if UPGRADE not in on:
        raise unknown_name("upgrade among these records", UPGRADE, on)
    sentences = [_pairs(on, method)]
    if IDENTITY in on:
        sentences.append(_identity(on[IDENTITY]))
        sentences += [_one_tower(name, on) for name in (TEXT_ONLY, IMAGE_ONLY) if name in on]
    if steps := [name for name in on if _STEP.fullmatch(name)]:
        sentences.append(_way(on, steps))
    if TWIN in on:
        sentences.append(_twin(on))
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _pairs(on: Mapping[str, Gain], method: str) -> str:
    others = [f"{on[name].mean:+.1f} on {name}" for name in on if _PAIR.fullmatch(name)]
    also = f" ({', '.join(others)}, pretrained independently)" if others else ""
    gain = points(on[UPGRADE].mean, "above", "below")
    return f"**The upgrade:** {method}, carried over, is {gain} zero-shot on new{also}."


def _identity(gain: Gain) -> str:
    words = f"**Nothing changed** (old → old): {gain.mean:+.1f} points, which is what tuning gains. "
    if abs(gain.change) < 0.05:
        words += "Old and new are equal here, so what is lost elsewhere is not lost by saving, loading or testing."
        return words
    return words + f"But new differs from old by {gain.change:+.1f} points, which it must not."


def _one_tower(name: str, on: Mapping[str, Gain]) -> str:
    change = _paired(on[name], on[IDENTITY])
    kept = "every picture keeps its vector" if name == TEXT_ONLY else "every prompt keeps its vector"
    words = f"**The {name.removesuffix(' only')} alone moved:** {on[name].mean:+.1f} points. "
    if direction(change) == "within a point":
        return words + f"That is within a point of nothing changed: where {kept}, nothing of the gain is lost."
    verb = "lost" if change < 0 else "added"
    return words + f"{abs(change):.1f} points are {verb} though {kept}."


def _way(on: Mapping[str, Gain], steps: Sequence[str]) -> str:
    values = [*(on[name].mean for name in steps), on[UPGRADE].mean]
    way = ", ".join(f"{value:+.1f} {name}" for value, name in zip(values, [*steps, "at the end"], strict=True))
    ups = [after - before for before, after in zip(values, values[1:], strict=False)]
    how = "more" if min(ups) >= 0 else "less" if max(ups) <= 0 else ""
    if direction(values[-1] - values[0]) == "within a point" or not how:
        return f"**On the way:** {way}. No clear direction: how far new has moved does not decide it."
    return f"**On the way:** {way}. The further new has moved, the {how} the plug-in adds to its zero-shot."


def _twin(on: Mapping[str, Gain]) -> str:
    gap, twin = _paired(on[UPGRADE], on[TWIN]), on[TWIN]
    words = f"**The seed twin,** a new backbone that has nothing from old: {twin.mean:+.1f} points"
    if direction(gap) == "within a point":
        return words + ", within a point of the upgrade. So the gain there does not come from what the upgrade kept."
    if gap < 0:
        return words + f", {-gap:.1f} more than on the upgrade. So what the upgrade kept is no help here."
    upgrade = on[UPGRADE].by_set
    fewer = sum(direction(upgrade[name] - x) == "higher" for name, x in twin.by_set.items() if name in upgrade)
    return (
        words + f", {gap:.1f} less than on the upgrade (on {fewer} of {len(twin.by_set)} sets by a point or more). "
        "That much needs what the upgrade kept of old; being a backbone of the same kind is not enough."
    )


def _paired(one: Gain, two: Gain) -> float:
    """Mean difference over the datasets that both have."""
    return fmean(one.by_set[name] - two.by_set[name] for name in one.by_set if name in two.by_set)


def _title(record: Record) -> str | None:
    """What a chapter calls the record's upgrade; None for an upgrade of another family."""
    name, _, rest = record.titles.upgrade.partition(", ")
    if name not in _TITLES or (rest and name != "mini"):
        return None
    if "→" in rest:
        return TWIN
    return f"after {rest}" if rest.startswith("step ") else rest or _TITLES[name]


def _place(title: str) -> tuple[int, int]:
    """Where a row stands: the more changed, the later."""
    if match := _STEP.fullmatch(title) or _PAIR.fullmatch(title):
        return (3 if title.startswith("after") else 5), int(match[1])
    return {IDENTITY: 0, TEXT_ONLY: 1, IMAGE_ONLY: 2, UPGRADE: 4, TWIN: 6}[title], 0


def _gain(records: Sequence[Record]) -> Gain:
    reports = reports_of(records)
    by_set = by_dataset(reports, over_zero_shot)
    spread = Statistic.of(list(by_seed(reports, over_zero_shot).values()))
    return Gain(by_set, fmean(by_set.values()), spread and spread.interval, fmean(r.new - r.old for r in reports))
