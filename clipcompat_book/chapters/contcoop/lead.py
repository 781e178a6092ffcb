"""The lead of ContCoOp over CoOp on all datasets: as a sum of steps, by parts, and under changed settings.

    parts_of_lead(records)    # of the studies "lead" and "compatibility"

Intervals are over datasets and seeds. Those of `factors`, on fewer datasets, are over seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat_book.chapters.compatibility.controls import shipped_pair
from clipcompat_book.chapters.contcoop.factors import PLAIN, RIVAL, once
from clipcompat_book.means import groups, reports_of

_RATE = "CoOp (recipe.lr=0.008)"
_STEPS = {
    "rate": (_RATE, RIVAL),
    "distillation": ("ContCoOp (Attn off)", _RATE),
    "attention": (PLAIN, "ContCoOp (Attn off)"),
    "condition": (PLAIN, "ContCoOp (condition.pool=none)"),
    "numbers": ("ContCoOp (condition.pool=none, λ = 0.0)", _RATE),
    "lead": (PLAIN, RIVAL),
}
_VARIANTS = {
    "as published": (PLAIN, RIVAL),
    "no attention": ("ContCoOp (Attn off)", RIVAL),
    "no distillation": ("ContCoOp (λ = 0.0)", RIVAL),
    "attention that sees no name": ("ContCoOp (condition.pool=none)", RIVAL),
    "the same, no distillation": ("ContCoOp (condition.pool=none, λ = 0.0)", RIVAL),
    "λ = 0.5": ("ContCoOp (λ = 0.5)", RIVAL),
    "λ = 2": ("ContCoOp (λ = 2.0)", RIVAL),
    "λ = 8": ("ContCoOp (λ = 8.0)", RIVAL),
    "CoOp at ContCoOp's rate": (PLAIN, _RATE),
}

Leads = Mapping[str, Comparison]


def parts_of_lead(records: Sequence[Record], field: str = "new") -> dict[str, Comparison]:
    """The lead in one field as a sum: what distillation adds to CoOp at ContCoOp's rate, what attention adds to that.

    "rate": CoOp at ContCoOp's rate minus CoOp. "distillation": without attention, minus that. "attention": the plain
    ContCoOp minus that. Beside the sum: "condition", the plain one minus the attention that sees no name. "numbers",
    what as many learned numbers as ContCoOp has do to CoOp at that rate: no name, no distillation.
    """
    return _compared(records, _STEPS, field)


def leads(records: Sequence[Record]) -> dict[str, Comparison]:
    """Changed setting -> its lead over CoOp on new."""
    return _compared(records, _VARIANTS, "new")


def ablation(records: Sequence[Record]) -> dict[tuple[bool, bool], tuple[Comparison, Comparison]]:
    """(attention, distillation) -> points above CoOp on old and on new, as the paper's table of parts has them."""
    names = {(True, False): "no distillation", (False, True): "no attention", (True, True): "as published"}
    pairs = {name: _VARIANTS[name] for name in names.values()}
    old, new = (_compared(records, pairs, field) for field in ("old", "new"))
    return {parts: (old[name], new[name]) for parts, name in names.items()}


def _compared(records: Iterable[Record], pairs: Mapping[str, tuple[str, str]], field: str) -> dict[str, Comparison]:
    """Every pair, on the datasets that all titles have, so that steps add up."""
    by_title = groups(shipped_pair(records), lambda record: record.titles.method)
    titles = {title for pair in pairs.values() for title in pair}
    reports = {title: reports_of(once(by_title[title])) for title in titles}
    shared = set.intersection(*({r.dataset for r in own} for own in reports.values()))
    value = attrgetter(field)
    cells = {
        title: {("", r.dataset, r.seed): value(r) for r in own if r.dataset in shared} for title, own in reports.items()
    }
    return {name: Comparison.of(cells[one], cells[two]) for name, (one, two) in pairs.items()}
