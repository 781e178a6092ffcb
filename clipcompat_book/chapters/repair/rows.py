"""What repairs give, method by method, from records of the study "repair".

methods = methods_of(committed_records("repair"), "mini")   # title -> one Repaired per method
methods["CoOp"].gain("repaired").mean                       # points above zero-shot on new
methods["CoOp"].verdict                                     # "keep", "repair" or "retrain"
verdict_of(methods["CoOp"], warm_runs(…)["CoOp"])           # or "warm-start"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Literal

from clipcompat.runs.records import Record
from clipcompat.studies.carried.repair import IMITATED, MAPPED
from clipcompat.studies.comparison import Comparison, Values
from clipcompat_book.chapters.chains.warm import WarmRun, pays
from clipcompat_book.means import groups
from clipcompat_book.words import method_titles

Verdict = Literal["keep", "repair", "warm-start", "retrain"]
VERDICTS: tuple[Verdict, ...] = ("keep", "repair", "warm-start", "retrain")
ENOUGH = 0.8
"""Share of what retraining adds to zero-shot from which on a plug-in is kept or repaired. Our choice."""

_SHORT = {"linear probe (features=projected, normalize=True)": "linear probe (joint space)"}

_PICTURES = max(*MAPPED, *IMITATED)


@dataclass(frozen=True)
class Repaired:
    """One method on one upgrade. title: of the method. rows: (dataset, row of one seed)."""

    title: str
    rows: tuple[tuple[str, dict[str, Any]], ...]

    @property
    def how(self) -> str:
        """ "map" or "imitate"."""
        return "map" if any(name.startswith("map_") for name in self.rows[0][1]) else "imitate"

    @property
    def default(self) -> str:
        """The column of the repair that `clipcompat.repair` makes if nothing else is said, with 200 pictures."""
        return f"map_orthogonal_{_PICTURES}" if self.how == "map" else f"imitate_{_PICTURES}"

    def column(self, name: str) -> str:
        """The key in a row: "repaired" is the default repair, "carried" the unchanged plug-in on new."""
        return {"repaired": self.default, "carried": "new"}.get(name, name)

    def values(self, name: str) -> Values:
        """(pair, dataset, seed) -> accuracy in percent, or negative flips for a name that ends in "_flips"."""
        key = self.column(name)
        return {("", dataset, row["seed"]): row[key] for dataset, row in self.rows if key in row}

    def mean(self, name: str) -> float:
        """Mean over datasets of means over seeds, in percent."""
        by_set = groups(self.values(name).items(), lambda cell: cell[0][1])
        return fmean(fmean(value for _, value in cells) for cells in by_set.values())

    def gain(self, name: str) -> Comparison:
        """Points above zero-shot on new."""
        return Comparison.of(self.values(name), self.values("zs_new"))

    def behind(self, name: str, other: str = "retrained") -> Comparison:
        """Points above `other`; below it they are negative."""
        return Comparison.of(self.values(name), self.values(other))

    def share(self, name: str) -> float:
        """Mean gain over zero-shot, as a share of retraining's mean gain on the same datasets."""
        values, zero_shot = self.values(name), self.values("zs_new")
        retrained = {cell: value for cell, value in self.values("retrained").items() if cell in values}
        return Comparison.of(values, zero_shot).mean / Comparison.of(retrained, zero_shot).mean

    @cached_property
    def verdict(self) -> Verdict:
        """The cheapest of keep, repair and retrain that leaves at least `ENOUGH` of what retraining adds."""
        names: dict[Verdict, str] = {"keep": "carried", "repair": "repaired"}
        return next((verdict for verdict, name in names.items() if self.share(name) >= ENOUGH), "retrain")

    def by_count(self, kind: str = "orthogonal") -> dict[int, float]:
        """Number of pictures -> share of retraining's gain; 0 pictures: carried unchanged."""
        counts = MAPPED if self.how == "map" else IMITATED
        names = {n: f"map_{kind}_{n}" if self.how == "map" else f"imitate_{n}" for n in counts}
        return {0: self.share("carried")} | {n: self.share(name) for n, name in names.items() if self.values(name)}


def verdict_of(method: Repaired, warm: Sequence[WarmRun] = ()) -> Verdict:
    """The method's verdict; where that is to retrain, a warm start if the method's runs say that it is not worse.

    As an audit has it: who has to train anyway starts from what is there.
    """
    return "warm-start" if method.verdict == "retrain" and pays(warm) else method.verdict


def records_of(records: Sequence[Record], upgrade: str) -> dict[str, list[Record]]:
    """Title of a method -> its records of an upgrade with this title, in the order of the registry."""
    mine = groups((r for r in records if r.titles.upgrade == upgrade), lambda r: r.titles.method)
    return {_SHORT.get(t, t): mine[t] for t in method_titles([r for same in mine.values() for r in same])}


def methods_of(records: Sequence[Record], upgrade: str) -> dict[str, Repaired]:
    """The same as methods."""
    return {
        title: Repaired(title, tuple((r.dataset, row) for r in own for row in r.per_seed))
        for title, own in records_of(records, upgrade).items()
    }


def controls_of(records: Sequence[Record]) -> dict[str, dict[str, Repaired]]:
    """What the control is -> its methods: a backbone of the same kind from another start, one with random weights."""
    titles = dict.fromkeys(r.titles.upgrade for r in records)
    kinds = {"another start": lambda title: "old 1 → new 2" in title, "random weights": lambda title: title == "mini*"}
    found = {words: [title for title in titles if known(title)] for words, known in kinds.items()}
    return {words: methods_of(records, mine[0]) for words, mine in found.items() if mine}


_SIZES = {
    "mini-identity": "nothing",
    "mini-activation-only": "the activation alone",
    "mini-identity, pair 2, step 5000": "500 steps more",
    "mini-identity, pair 2, step 5500": "1,000 steps more",
    "mini-identity, pair 2, step 6000": "1,500 steps more",
    "mini-identity, pair 2, made again": "3,000 steps more",
    "mini-text-only, made again": "a new text tower",
    "mini-image-only, made again": "a new image tower",
}
"""An upgrade's title -> what is new there. Steps: of one pretraining run, after its step 4,500."""


def sizes_of(records: Sequence[Record]) -> dict[str, dict[str, Repaired]]:
    """What is new -> its methods, for upgrades that change less than a whole backbone; the smallest first."""
    titles = {r.titles.upgrade for r in records}
    return {words: methods_of(records, title) for title, words in _SIZES.items() if title in titles}
