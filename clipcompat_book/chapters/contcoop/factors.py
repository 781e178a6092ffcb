"""What each changed setting of ContCoOp does on old, on new, and to its lead over CoOp: paired by seed.

    effects(records)    # of the studies "attention" and "compatibility", in the order of FACTORS

A value per seed is a mean over datasets, so an interval says how far other draws of training pictures would move it. It
does not say how far other datasets would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.report import Compatibility
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.compatibility.controls import PAIR, UPGRADE, by_upgrade, shipped_pair
from clipcompat_book.means import by_seed, gap_by_dataset, groups, reports_of

PLAIN, RIVAL = "ContCoOp", "CoOp"
_AS_IS = (PLAIN, RIVAL, "as published")


@dataclass(frozen=True)
class Factor:
    """One changed setting.

    kind: of what. label: of the row. variant: a title of ContCoOp. rival: the CoOp that it is compared with.
    """

    kind: str
    label: str
    variant: str
    rival: str = RIVAL


def _long(label: str, variant: str) -> Factor:
    return Factor("length", label, variant, "CoOp (recipe.max_steps=400)")


FACTORS = (
    Factor("parts", "as published", PLAIN),
    Factor("parts", "no attention", "ContCoOp (Attn off)"),
    Factor("parts", "no distillation", "ContCoOp (λ = 0.0)"),
    Factor("parts", "attention that sees no name", "ContCoOp (condition.pool=none)"),
    Factor("λ", "λ = 0.5", "ContCoOp (λ = 0.5)"),
    Factor("λ", "λ = 2", "ContCoOp (λ = 2.0)"),
    Factor("λ", "λ = 8", "ContCoOp (λ = 8.0)"),
    Factor("maps", "maps learn 10 × faster", "ContCoOp (attention.lr_scale=10.0)"),
    Factor("maps", "maps learn 100 × faster", "ContCoOp (attention.lr_scale=100.0)"),
    Factor("maps", "maps start 2.4 × larger", "ContCoOp (attention.init=kaiming_normal_relu)"),
    Factor("maps", "W_O starts at 0", "ContCoOp (attention.out_zero=True)"),
    Factor("rate", "CoOp at ContCoOp's rate", PLAIN, "CoOp (recipe.lr=0.008)"),
    _long("both with 4 × the steps", "ContCoOp (recipe.max_steps=400)"),
    _long("… no attention", "ContCoOp (Attn off, recipe.max_steps=400)"),
    _long("… no distillation", "ContCoOp (λ = 0.0, recipe.max_steps=400)"),
)


@dataclass(frozen=True)
class Effect:
    """What one factor does, in points.

    old, new: the variant minus the plain ContCoOp; None for an upgrade, whose new backbone is another.
    lead: the variant minus its rival, on new. shift: this lead minus the plain one, paired by seed.
    datasets: how many. rests_on: the datasets without which `shift` has another direction.

    Of a factor, intervals are over seeds: they say nothing of other datasets than its few. Those of an upgrade, which
    has all eleven, are over datasets and seeds.
    """

    factor: Factor
    old: Statistic | None
    new: Statistic | None
    lead: Statistic | Comparison
    shift: Statistic | Comparison
    datasets: int
    rests_on: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is what the others are compared with."""
        return (self.factor.variant, self.factor.rival, self.factor.label) in (_AS_IS, (PLAIN, RIVAL, UPGRADE))

    @property
    def p(self) -> float:
        """Two-sided, that the lead is the plain one: of a t-test over seeds, or of signed ranks over datasets."""
        if isinstance(self.shift, Comparison):
            return self.shift.wilcoxon
        from scipy.special import stdtr

        if not self.shift.sd:
            return 1.0 if self.shift.direction == "no difference seen" else 0.0
        t = abs(self.shift.mean) / self.shift.sd * math.sqrt(self.shift.n)
        return 2 * float(stdtr(self.shift.n - 1, -t))


class _Means:
    """Means over datasets by seed, of the shipped pair's records."""

    def __init__(self, records: Iterable[Record], titles: Iterable[str]):
        by_title = groups(records, lambda record: record.titles.method)
        self._of = {title: once(by_title[title]) for title in titles}
        self.datasets = sorted(set.intersection(*({r.dataset for r in own} for own in self._of.values())))

    def __call__(self, title: str, field: str, without: str | None = None) -> dict[int, float]:
        kept = [r for r in self._of[title] if r.dataset in self.datasets and r.dataset != without]
        return by_seed(reports_of(kept), attrgetter(field))

    def lead(self, variant: str, rival: str, without: str | None = None) -> dict[int, float]:
        return _minus(self(variant, "new", without), self(rival, "new", without))


def effects(records: Sequence[Record]) -> list[Effect]:
    """Every factor whose records are there, on the datasets that all of these have.

    records: may hold other upgrades and methods, which are left out. The plain lead is on the same datasets.
    """
    shipped = shipped_pair(records)
    titles = {record.titles.method for record in shipped}
    known = [f for f in FACTORS if {f.variant, f.rival} <= titles]
    if not known:
        return []
    mean = _Means(shipped, {title for f in known for title in (f.variant, f.rival)})
    return [_effect(factor, mean) for factor in known]


def _effect(factor: Factor, mean: _Means) -> Effect:
    def shift(without: str | None = None) -> Statistic:
        return Statistic.paired(mean.lead(factor.variant, factor.rival, without), mean.lead(PLAIN, RIVAL, without))

    old, new = (Statistic.paired(mean(factor.variant, field), mean(PLAIN, field)) for field in ("old", "new"))
    whole = shift()
    left_out = mean.datasets if len(mean.datasets) > 1 else []
    rests_on = tuple(d for d in left_out if shift(d).direction != whole.direction)
    lead = Statistic.of(list(mean.lead(factor.variant, factor.rival).values()))
    return Effect(factor, old, new, lead, whole, len(mean.datasets), rests_on)


def upgrade_effects(records: Sequence[Record]) -> list[Effect]:
    """The lead on other upgrades of the same old backbone, against the lead on the shipped one.

    From nothing changed to nothing kept; the shipped upgrade is among them, other pairs are not.
    """
    leads = {title: lead for title, own in by_upgrade(records).items() if (lead := _lead(own))}
    if UPGRADE not in leads:
        return []
    nothing = dict.fromkeys(leads[UPGRADE], 0.0)
    found = []
    for title, lead in leads.items():
        if not PAIR.fullmatch(title):
            shift = Comparison.of(lead, leads[UPGRADE])
            own = Comparison.of(lead, nothing)
            factor = Factor("upgrade", title, PLAIN)
            found.append(Effect(factor, None, None, own, shift, len(own.by_dataset), shift.flips))
    return found


def lead_by_dataset(
    records: Sequence[Record], measure: Callable[[Compatibility], float], rival: str = RIVAL
) -> dict[str, float]:
    """Dataset -> the plain ContCoOp minus its rival, mean over the seeds that both have, on the shipped pair."""
    by_title = groups(shipped_pair(records), lambda record: record.titles.method)
    gaps = gap_by_dataset(*(reports_of(once(by_title[title])) for title in (PLAIN, rival)), measure)
    return {dataset: gap.mean for dataset, gap in gaps.items()}


def _lead(records: Sequence[Record]) -> dict[tuple[str, str, int], float] | None:
    """ContCoOp minus CoOp on new, as `Comparison` takes it; None where one of them is missing."""
    by_title = groups(records, lambda record: record.titles.method)
    if not {PLAIN, RIVAL} <= by_title.keys():
        return None
    one, two = ({("", r.dataset, r.seed): r.new for r in reports_of(by_title[title])} for title in (PLAIN, RIVAL))
    return {cell: one[cell] - two[cell] for cell in one if cell in two}


def _minus(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    return {seed: first[seed] - second[seed] for seed in first if seed in second}


def once(records: Iterable[Record]) -> list[Record]:
    """One record per dataset: the first. Two studies may have made the same run, with and without retraining."""
    return [same[0] for same in groups(records, lambda record: record.dataset).values()]
