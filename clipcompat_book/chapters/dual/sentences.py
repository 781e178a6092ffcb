"""What dual prompts say, in sentences whose directions come from intervals: Markdown that changes with the records."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.methods.dpc import LEARNERS
from clipcompat.runs.records import Record
from clipcompat.studies.statistic import Direction, Statistic
from clipcompat_book.chapters.dual.rows import WEIGHT, Dual, base_gain, by_learner, common, difference, duals_of
from clipcompat_book.means import groups
from clipcompat_book.words import apart, counted, datasets, short_name


def records_sentence(duals: Sequence[Dual]) -> str:
    """Which learners the records have, and on how many datasets."""
    mine = by_learner(duals)
    have = [f"{name} on {datasets(len({d.dataset for d in own}))}" for name, own in mine.items()]
    missing = [learner.title for learner in LEARNERS.values() if learner.title not in mine]
    seeds = sorted({d.seed for d in duals})
    rest = f" Not made yet: {', '.join(missing)}." if missing else ""
    return f"In the records: DPC over {', '.join(have)}, seeds {', '.join(map(str, seeds))}.{rest}"


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
    """What DPC adds on base classes, on old and carried to new, learner by learner."""
    parts = []
    for name, own in by_learner(duals).items():
        old, carried = (difference(own, base_gain(side)) for side in ("old", "carried"))
        parts.append(f"over {name}: {apart(old)} on old, {apart(carried)} carried to new")
    return f"**DPC against its learner alone, base classes** (ω_b = {WEIGHT}): {'; '.join(parts)}."


def second_training_sentence(records: Sequence[Record]) -> str:
    """On base classes, on old: what a second training with the learner's own loss adds, and hard negatives to that."""
    hard = by_learner(duals_of(records))
    parts = []
    for name, plain in by_learner(duals_of(records, "hard_negatives=False")).items():
        second = difference(plain, base_gain("old"))
        both = common(hard[name], plain)
        own = {(d.dataset, d.seed): base_gain("old")(d) for d in plain}
        more = difference(both, lambda d, own=own: base_gain("old")(d) - own[d.dataset, d.seed])
        parts.append(f"{name}: {apart(second)}; with hard negatives in place of that loss, against it: {apart(more)}")
    count = datasets(len({d.dataset for d in duals_of(records, "hard_negatives=False")}))
    about = f"(ω_b = {WEIGHT}, base classes, {count})"
    return f"**A second training with the learner's own loss** {about}. {'. '.join(parts)}."
