"""The chapter's tables: what moves the lead, its parts, and what training did to the attention of one plug-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Comparison
from clipcompat_book.chapters.contcoop.anatomy import Anatomy
from clipcompat_book.chapters.contcoop.factors import Effect
from clipcompat_book.chapters.contcoop.lead import Leads
from clipcompat_book.chapters.contcoop.sentences import LEVEL, corrected
from clipcompat_book.words import STARS, datasets, short_name, starred, with_interval


def movers_table(effects: Sequence[Effect], upgrades: Sequence[Effect] = ()) -> Table:
    """The factors that move the lead on new by more than their interval, with p and what to mind."""
    every = [*effects, *upgrades]
    rows = tuple(
        (
            ("upgrade: " if e.factor.kind == "upgrade" else "") + e.factor.label,
            with_interval(e.shift, "+"),
            with_interval(e.lead, "+"),
            str(e.datasets),
            f"{p:.2g}",
            _remark(e, p),
        )
        for e, p in corrected(every)
    )
    caption = (
        "What moves the lead on new by more than its interval: points, ± as in the figure. "
        f"p: after Holm's correction over all {sum(not e.is_plain for e in every)} changes."
    )
    return Table(("change", "moves it by", "to a lead of", "datasets", "p", "remark"), rows, caption)


def _remark(effect: Effect, p: float) -> str:
    found = [] if p < LEVEL else ["may be chance"]
    if effect.rests_on:
        found.append(f"another direction without {' or without '.join(map(short_name, effect.rests_on))}")
    return "; ".join(found) or "–"


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


def leads_table(found: Leads) -> Table:
    """The lead over CoOp on new under every changed setting: `lead.leads`."""
    rows = tuple((name, starred(lead)) for name, lead in found.items())
    return Table(("changed", "lead over CoOp on new"), rows, f"Points, {_over(found['as published'])}. {STARS}.")


def _over(lead: Comparison) -> str:
    return f"± half of the 95 % interval over {datasets(len(lead.by_dataset))} and their seeds"


def anatomy_table(before: Anatomy, after: Anatomy) -> Table:
    """The attention of one plug-in before and after training: sizes, lengths of rows, and shares."""
    both = (before, after)
    rows = (
        ("size of a score", *(f"{a.score:.1e}" for a in both)),
        ("largest weight, above uniform", *(f"{100 * a.uneven:.2f} %" for a in both)),
        ("length of a row of p", *(f"{a.context:.3f}" for a in both)),
        ("length of Attn", *(f"{a.change:.3f}" for a in both)),
        ("… that differs between classes", *(f"{a.by_class:.4f}" for a in both)),
        ("… as a share of a row of p", *(f"{100 * a.by_class / a.context:.1f} %" for a in both)),
    )
    return Table(("", "before training", "after"), rows)


def reach_table(before: Mapping[str, float], after: Mapping[str, float]) -> Table:
    """How far one step of each map moves the prompts, beside the same step of p (`anatomy.reach`)."""
    names = {f"W_{letter}": f"attn.{letter.lower()}.weight" for letter in "QKVO"}
    rows = tuple((w, _short(before[name]), _short(after[name])) for w, name in names.items())
    caption = "How far a step of a map moves the prompts; 1 is what the same step of p does."
    return Table(("map", "before training", "after"), rows, caption)


def _short(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-6 else "< 1e-6"
