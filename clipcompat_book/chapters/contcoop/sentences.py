"""What the measurements say, in sentences made from records and tensors: they change when these do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.studies.comparison import Comparison, holm
from clipcompat_book.chapters.contcoop.anatomy import Anatomy
from clipcompat_book.chapters.contcoop.factors import Effect
from clipcompat_book.chapters.contcoop.lead import Leads
from clipcompat_book.words import apart, datasets, direction

LEVEL = 0.05


def ablation_sentence(ours: Mapping[tuple[bool, bool], tuple[Comparison, Comparison]]) -> str:
    """In which direction each part alone, and both, move CoOp on new: Markdown. The numbers are in the figure."""
    names = {(True, False): "attention alone", (False, True): "distillation alone", (True, True): "both"}
    words = [
        f"{name}: {direction(ours[parts][1], 'higher', 'lower', 'no difference seen')}" for parts, name in names.items()
    ]
    return f"**ContCoOp's parts against CoOp, carried to new**: {'; '.join(words)}."


def anatomy_sentence(before: Anatomy, after: Anatomy) -> str:
    """Whether training made longer what Attn adds, and the part of it that depends on the class: Markdown."""
    return f"In training, **Attn {_grew(before.change, after.change)}**. Its part that depends on the class " + (
        f"**{_grew(before.by_class, after.by_class)}**."
    )


def _grew(before: float, after: float) -> str:
    return "grew" if after > 1.1 * before else "did not grow"


def corrected(effects: Sequence[Effect]) -> list[tuple[Effect, float]]:
    """The factors that move the lead on new by more than their interval, with p after Holm's correction over all."""
    rows = [e for e in effects if not e.is_plain]
    p = holm({f"{e.factor.kind}: {e.factor.label}": e.p for e in rows})
    return [(e, p[f"{e.factor.kind}: {e.factor.label}"]) for e in rows if e.shift.direction != "no difference seen"]


def movers_sentence(effects: Sequence[Effect], upgrades: Sequence[Effect] = ()) -> str:
    """How many factors move the lead on new by more than their interval, and which still do after the correction."""
    every = [*effects, *upgrades]
    count = sum(not e.is_plain for e in every)
    moved = corrected(every)
    if not moved:
        return f"**No factor moves the lead on new by more than its interval** (of {count} changes)."
    sure = ", ".join(e.factor.label for e, p in moved if p < LEVEL) or "none"
    return (
        f"**{len(moved)} of {count} changes move the lead on new by more than their interval.** "
        f"Told from chance after Holm's correction: {sure}."
    )


def typical_sentence(few: Effect, whole: Comparison) -> str:
    """Whether the datasets that every factor was tried on are like all others: Markdown."""
    same = few.lead.direction == whole.direction
    return (
        f"**Every factor was tried on {datasets(few.datasets)}, which {'are like' if same else 'are not like'} all "
        f"{len(whole.by_dataset)}.** ContCoOp against CoOp, as published, on new: {apart(few.lead)} there, "
        f"{apart(whole)} on all."
    )


def condition_sentence(new: Leads) -> str:
    """What it is worth on new that the attention sees the name, and that ContCoOp learns more numbers: Markdown."""
    return (
        f"**ContCoOp against the same attention that sees no name,** on new: {apart(new['condition'])}. **CoOp with as "
        f"many learned numbers as ContCoOp** (no name, no distillation) **against CoOp at the same rate:** "
        f"{apart(new['numbers'])}."
    )
