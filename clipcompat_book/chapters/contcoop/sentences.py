"""What the measurements say, in sentences made from records and tensors: they change when these do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison, holm
from clipcompat_book.chapters.contcoop.anatomy import Anatomy
from clipcompat_book.chapters.contcoop.factors import Effect
from clipcompat_book.chapters.contcoop.lead import Leads
from clipcompat_book.words import STARS, apart, datasets, short_name, starred, with_interval

_LEVEL = 0.05


def ablation_sentence(ours: Mapping[tuple[bool, bool], tuple[Comparison, Comparison]]) -> str:
    """What each part alone, and both, do to CoOp on new: Markdown."""
    names = {(True, False): "attention alone", (False, True): "distillation alone", (True, True): "both"}
    words = "; ".join(f"{name} {apart(ours[parts][1])}" for parts, name in names.items())
    return f"**ContCoOp's parts against CoOp, carried to new**: {words}."


def anatomy_sentence(before: Anatomy, after: Anatomy) -> str:
    """What training did to the attention of one plug-in: Markdown."""
    shares = [100 * a.by_class / a.context for a in (before, after)]
    grew = "grew" if after.by_class > 1.1 * before.by_class else "did not grow"
    return (
        f"**Scores** are {before.score:.1e} in size before training and {after.score:.1e} after it, so the largest "
        f"attention weight is {100 * before.uneven:.2f} % and {100 * after.uneven:.2f} % above uniform. "
        f"**What depends on the class** is {before.by_class:.4f} long before, {after.by_class:.4f} after: it {grew}. "
        f"That is {shares[0]:.1f} % and {shares[1]:.1f} % of a row of p. "
        f"**What all rows and classes share** is what training adds: Attn went from {before.change:.3f} to "
        f"{after.change:.3f}."
    )


def movers_sentence(effects: Sequence[Effect], upgrades: Sequence[Effect] = ()) -> str:
    """Which factors move the lead on new by more than their interval, and which still do after Holm's correction."""
    rows = [e for e in (*effects, *upgrades) if not e.is_plain]
    corrected = holm({f"{e.factor.kind}: {e.factor.label}": e.p for e in rows})
    moved = [e for e in rows if e.shift.direction != "no difference seen"]
    count = f"of {len(rows)} changes"
    if not moved:
        return f"**No factor moves the lead on new by more than its interval** ({count})."
    words = [_mover(e, corrected[f"{e.factor.kind}: {e.factor.label}"]) for e in moved]
    return (
        f"**The lead on new is moved by more than its interval by {len(moved)} {count}:**\n\n"
        + "\n".join(f"- {w}" for w in words)
        + "\n\n(Intervals as in the figure; Holm's correction over all "
        f"{len(rows)} changes.)"
    )


def _mover(effect: Effect, p: float) -> str:
    kind = "on another upgrade, " if effect.factor.kind == "upgrade" else ""
    words = f"{kind}{effect.factor.label}: {apart(effect.shift)}, to a lead of {with_interval(effect.lead, '+')}"
    words += f"; {datasets(effect.datasets)}, p = {p:.2g}" + ("" if p < _LEVEL else ": it may be chance")
    if effect.rests_on and not isinstance(effect.shift, Comparison):  # its own words say so
        words += f"; another direction without {' or without '.join(map(short_name, effect.rests_on))}"
    return words + "."


def parts_table(old: Leads, new: Leads) -> Table:
    """The lead as a sum of three steps from CoOp to ContCoOp: `lead.parts_of_lead` on old and on new."""
    names = {
        "rate": "CoOp at ContCoOp's learning rate",
        "distillation": "and distillation",
        "attention": "and attention",
        "lead": "together: ContCoOp minus CoOp",
    }
    rows = tuple((name, starred(old[key]), starred(new[key])) for key, name in names.items())
    return Table(("step", "on old", "on new"), rows, f"Points, {_over(new['lead'])}. {STARS}.")


def typical_sentence(few: Effect, whole: Comparison) -> str:
    """Whether the datasets that every factor was tried on are like all others: Markdown."""
    same = few.lead.direction == whole.direction
    return (
        f"**Every factor was tried on {datasets(few.datasets)}, which {'are like' if same else 'are not like'} all "
        f"{len(whole.by_dataset)}.** ContCoOp against CoOp, as published, on new: {apart(few.lead)} there, "
        f"{apart(whole)} on all."
    )


def leads_table(found: Leads) -> Table:
    """The lead over CoOp on new under every changed setting: `lead.leads`."""
    rows = tuple((name, starred(lead)) for name, lead in found.items())
    return Table(("changed", "lead over CoOp on new"), rows, f"Points, {_over(found['as published'])}. {STARS}.")


def condition_sentence(new: Leads) -> str:
    """What it is worth on new that the attention sees the name, and that ContCoOp learns more numbers: Markdown."""
    return (
        f"**ContCoOp against the same attention that sees no name,** on new: {apart(new['condition'])}. **CoOp with as "
        f"many learned numbers as ContCoOp** (no name, no distillation) **against CoOp at the same rate:** "
        f"{apart(new['numbers'])}."
    )


def _over(lead: Comparison) -> str:
    return f"± half of the 95 % interval over {datasets(len(lead.by_dataset))} and their seeds"


def reach_sentence(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """How far one step of each map moves the prompts, beside the same step of p."""
    names = {letter: f"attn.{letter.lower()}.weight" for letter in "QKVO"}
    words = ", ".join(f"W_{x} {_short(before[n])} → {_short(after[n])}" for x, n in names.items())
    return f"Before → after training, in multiples of what the step of p does: {words}."


def _short(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-6 else "< 1e-6"
