"""What dual prompts say, in sentences whose directions come from intervals: Markdown that changes with the records."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.methods.dpc import LEARNERS
from clipcompat.studies.statistic import Direction, Statistic
from clipcompat_book.chapters.dual.rows import WEIGHT, Dual, base_gain, by_learner, difference
from clipcompat_book.means import groups
from clipcompat_book.words import apart, by_direction, counted, datasets, short_name


def records_sentence(duals: Sequence[Dual]) -> str:
    """Which learners the records have, and on how many datasets."""
    mine = by_learner(duals)
    sets = groups(mine, lambda name: len({d.dataset for d in mine[name]}))
    have = [f"{', '.join(names)} on {datasets(count)}" for count, names in sets.items()]
    missing = [learner.title for learner in LEARNERS.values() if learner.title not in mine]
    seeds = sorted({d.seed for d in duals})
    rest = f" Not made yet: {', '.join(missing)}." if missing else ""
    return f"In the records: DPC over {'; '.join(have)}, seeds {', '.join(map(str, seeds))}.{rest}"


def trade_off_sentence(duals: Sequence[Dual]) -> str:
    """What a learner alone gains on base classes and on new ones, against zero-shot, on old."""
    (name, own) = next(iter(by_learner(duals).items()))
    base, new = (
        difference(own, lambda d, h=half: d.at("old", h, 0.0) - d.row[f"zs_old_{h}"]) for half in ("base", "new")
    )
    found = {short_name(name): _over_zero_shot(same) for name, same in groups(own, lambda d: d.dataset).items()}
    return (
        f"**{name} against zero-shot, on old.** Base classes: {apart(base)}. New classes: {apart(new)}; by dataset, "
        f"over seeds: {counted(found)}."
    )


def _over_zero_shot(same: Sequence[Dual]) -> Direction:
    """Of one dataset, the direction of what the learner alone gains on new classes."""
    return Statistic.of([d.at("old", "new", 0.0) - d.row["zs_old_new"] for d in same]).direction


def answer_sentence(duals: Sequence[Dual]) -> str:
    """Over which learners DPC is seen to add something on base classes, on old and carried to new."""
    told = []
    for words, side in (("On old", "old"), ("Carried to new", "carried")):
        gaps = {name: difference(own, base_gain(side)) for name, own in by_learner(duals).items()}
        told.append(f"{words}, {by_direction(gaps)}.")
    return f"**DPC against its learner alone, base classes** (ω_b = {WEIGHT}). {' '.join(told)}"
