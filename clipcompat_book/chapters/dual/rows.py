"""Dual prompts from records of the study "mixture": every weight, on base and new classes, on old and carried to new.

    duals = plain_duals(committed_records("dual_prompts"))
    duals[0].at("old", "base", 0.2)          # percent
    difference(duals, base_gain("carried"))  # over datasets and seeds

"old" and "carried" are sides of the upgrade; "base" and "new" are halves of the class list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from clipcompat.common.errors import unknown_name
from clipcompat.methods.dpc import DPC, LEARNERS
from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.report import harmonic_mean
from clipcompat_book.means import groups

WEIGHT = DPC().omega_base
"""ω_b of the method's default; ω_n is 0."""

SIDES = {"old": "on old", "carried": "carried to new"}
_OWN = DPC().learner.name


@dataclass(frozen=True)
class Dual:
    """One dual prompt. learner: its title. row: what the study measured, lists in the order of `omegas`."""

    learner: str
    dataset: str
    seed: int
    row: dict[str, Any]

    @property
    def omegas(self) -> tuple[float, ...]:
        return tuple(self.row["omegas"])

    def at(self, side: str, half: str, omega: float) -> float:
        """Percent right of a half of the classes among its own names. half: also "certainty".

        Raises:
            UnknownNameError: a weight that was not measured.
        """
        if omega not in self.omegas:
            raise unknown_name("weight", str(omega), map(str, self.omegas))
        return self.row[f"{side}_{half}"][self.omegas.index(omega)]

    def harmonic(self, side: str, omega_base: float, omega_new: float) -> float:
        """H of base with one weight and new with another."""
        return harmonic_mean(self.at(side, "base", omega_base), self.at(side, "new", omega_new))

    def most_certain(self, side: str) -> float:
        """The weight with the greatest certainty there, of equals the smallest; it is chosen without labels."""
        certain = self.row[f"{side}_certainty"]
        return self.omegas[certain.index(max(certain))]


Measure = Callable[[Dual], float]


def duals_of(records: Sequence[Record], setting: str = "") -> list[Dual]:
    """The dual prompts of records, with default settings or with one changed: "hard_negatives=False", "top_k=4".

    The learner is no setting: all of them are found, in the order of the registry.

    Raises:
        UnknownNameError: no record has this setting.
    """
    mine = [record for record in records if record.study == "mixture"]
    wanted = {_label(learner, setting): learner for learner in LEARNERS}
    found = {wanted[r.titles.label]: [] for r in mine if r.titles.label in wanted}
    if not found:
        raise unknown_name("setting of these records", setting, sorted({r.titles.label for r in mine}))
    for record in mine:
        if (learner := wanted.get(record.titles.label)) is not None:
            title = LEARNERS[learner].title
            found[learner] += [Dual(title, record.dataset, row["seed"], row) for row in record.per_seed]
    return [dual for learner in LEARNERS if learner in found for dual in found[learner]]


def by_learner(duals: Iterable[Dual]) -> dict[str, list[Dual]]:
    """Title of the learner -> its dual prompts."""
    return groups(duals, lambda dual: dual.learner)


def common(duals: Sequence[Dual], other: Sequence[Dual]) -> list[Dual]:
    """Those of the first whose dataset and seed the second has, too."""
    known = {(dual.dataset, dual.seed) for dual in other}
    return [dual for dual in duals if (dual.dataset, dual.seed) in known]


def difference(duals: Iterable[Dual], measure: Measure) -> Comparison:
    """A difference that every dual prompt of one learner has in itself, over datasets and seeds."""
    own = {("", dual.dataset, dual.seed): measure(dual) for dual in duals}
    return Comparison.of(own, dict.fromkeys(own, 0.0))


def base_gain(side: str, weight: float = WEIGHT) -> Measure:
    """What DPC adds on base classes: this weight against the learner alone."""
    return lambda dual: dual.at(side, "base", weight) - dual.at(side, "base", 0.0)


def new_change(side: str, weight: float = WEIGHT) -> Measure:
    """What the same weight would change on new classes. Decoupling gives them 0, and avoids it."""
    return lambda dual: dual.at(side, "new", weight) - dual.at(side, "new", 0.0)


def _label(learner: str, setting: str) -> str:
    changed = [f"learner={learner}"] * (learner != _OWN)
    changed += ["learner.teacher_classes=base"] * LEARNERS[learner].takes_teacher  # as the spec has it
    changed += [setting] * bool(setting)
    return f"dpc ({', '.join(changed)})" if changed else "dpc"
