"""What dual prompts say, in sentences whose directions come from intervals: Markdown that changes with the records."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.methods.dpc import LEARNERS
from clipcompat.runs.records import Record
from clipcompat.studies.statistic import Direction, Statistic
from clipcompat_book.chapters.dual.rows import (
    WEIGHT,
    Dual,
    base_gain,
    by_learner,
    common,
    difference,
    duals_of,
    new_change,
)
from clipcompat_book.means import groups
from clipcompat_book.words import apart, counted, datasets, short_name, with_interval


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


def carried_sentence(duals: Sequence[Dual], half: str) -> str:
    """What the learner alone has over zero-shot of the same backbone, on both. half: "base" or "new"."""
    parts = []
    for name, own in by_learner(duals).items():
        old, carried = (
            difference(own, lambda d, s=side, z=zero_shot: d.at(s, half, 0.0) - d.row[f"{z}_{half}"])
            for side, zero_shot in (("old", "zs_old"), ("carried", "zs_new"))
        )
        parts.append(f"{name}: {apart(old)} on old, {apart(carried)} carried to new")
    return f"**The learner alone against zero-shot of the same backbone, {half} classes.** {'; '.join(parts)}."


def decoupling_sentence(duals: Sequence[Dual]) -> str:
    """What the weight of base classes would do to new ones: where it lowers them, decoupling helps."""
    parts = []
    for name, own in by_learner(duals).items():
        old, carried = (difference(own, new_change(side)) for side in ("old", "carried"))
        parts.append(f"over {name}, {_helps(old)} on old, {_helps(carried)} carried to new")
    return f"**New classes with P_b instead of P:** {'; '.join(parts)}."


def _helps(change) -> str:
    verdict = {
        "lower": "decoupling helps",
        "higher": "decoupling hurts",
        "no difference seen": "decoupling is undecided",
    }
    return f"{verdict[change.direction]} ({with_interval(change, '+')} points)"


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


def upgrade_sentence(duals: Sequence[Dual]) -> str:
    """Whether what DPC adds on base classes changes in the upgrade."""
    parts = []
    for name, own in by_learner(duals).items():
        change = difference(own, lambda d: base_gain("carried")(d) - base_gain("old")(d))
        parts.append(f"{name}: {apart(change)}")
    return f"**DPC's gain on base classes, carried to new against on old.** {'; '.join(parts)}."


def certainty_sentence(duals: Sequence[Dual]) -> str:
    """What is gained on new by the weight with the greatest certainty there, which is found without labels."""
    parts = []
    for name, own in by_learner(duals).items():
        gap = difference(
            own, lambda d: d.at("carried", "base", d.most_certain("carried")) - d.at("carried", "base", WEIGHT)
        )
        parts.append(f"{name}: {apart(gap)}")
    return f"**ω_b chosen on new without labels, against {WEIGHT}, base classes.** {'; '.join(parts)}."
