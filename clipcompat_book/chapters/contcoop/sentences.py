"""What the measurements say, in sentences made from records and tensors: they change when these do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison, holm
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.contcoop.anatomy import Anatomy
from clipcompat_book.chapters.contcoop.factors import Effect
from clipcompat_book.words import apart, datasets, short_name, with_interval

_LEVEL = 0.05


def ablation_sentence(ours: Mapping[tuple[bool, bool], tuple[Statistic, Statistic]]) -> str:
    """What each part alone, and both, do to CoOp on new: Markdown."""
    names = {(True, False): "attention alone", (False, True): "distillation alone", (True, True): "both"}
    words = "; ".join(f"{name} {apart(ours[parts][1])}" for parts, name in names.items())
    return f"**ContCoOp's parts against CoOp, carried to new** (these sets, paired by seed): {words}."


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


def parts_table(old: Mapping[str, Statistic], new: Mapping[str, Statistic]) -> Table:
    """The lead as a sum of three steps from CoOp to ContCoOp: `factors.parts_of_lead` on old and on new."""
    names = {
        "rate": "CoOp at ContCoOp's learning rate",
        "distillation": "and distillation",
        "attention": "and attention",
        "lead": "together: ContCoOp minus CoOp",
    }
    rows = tuple((name, with_interval(old[key], "+"), with_interval(new[key], "+")) for key, name in names.items())
    return Table(("step", "on old", "on new"), rows, "Points, ± half of the paired 95 % interval over seeds.")


def condition_sentence(new: Mapping[str, Statistic]) -> str:
    """What it is worth on new that the attention sees the name: Markdown."""
    return f"**ContCoOp against the same attention that sees no name,** on new: {apart(new['condition'])}."


def reach_sentence(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """How far one step of each map moves the prompts, beside the same step of p."""
    names = {letter: f"attn.{letter.lower()}.weight" for letter in "QKVO"}
    words = ", ".join(f"W_{x} {_short(before[n])} → {_short(after[n])}" for x, n in names.items())
    return f"Before → after training, in multiples of what the step of p does: {words}."


def _short(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-6 else "< 1e-6"
