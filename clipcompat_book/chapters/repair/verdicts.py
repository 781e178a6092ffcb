"""Whether predictions without labels lead to the verdict that labels lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from clipcompat.audits.predictor import TOLD, UNTOLD
from clipcompat.audits.verdict import IMITATED, VERDICTS, Case, Verdict, could_be, judge
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat_book.chapters.repair.predictor import OURS, Line, errors, held_out
from clipcompat_book.means import groups

_CLOSED = ("linear_probe", "tip_adapter")  # no training that could go on
_KEYS = ("upgrade", "dataset", "method", "seed")
_PROPER = ("mini", "mini-next", "mini-two-steps", "mini-large")
_NEAR, _FAR = 3.0, 12.0  # points above zero-shot
_GOAL = 0.9  # set before there were records
_NAMED = 3  # confusions in a sentence


@dataclass(frozen=True)
class Judged:
    """One plug-in: its upgrade, what it adds to zero-shot on new (points), and its verdict by either accuracies.

    firm: whether the verdict by predicted accuracies stays if these are as far off as they are on average. left: points
    on new that the guessed verdict leaves behind the measured one; 0 if it is as good, or dearer.
    """

    upgrade: str
    added: float
    measured: Verdict
    guessed: Verdict
    firm: bool
    left: float

    @property
    def right(self) -> bool:
        return self.measured == self.guessed


def judged(lines: Sequence[Line], how: str = "", known: Collection[str] = ()) -> list[Judged]:
    """Every plug-in with its verdict from measured accuracies, and from predicted ones.

    Predictions are of fits that saw neither the upgrade nor the dataset. how: "" (the accuracy on old is known), "_val"
    (it is read from validation pictures) or "_untold" (it is not known). known: of "carried", "repaired", "zero-shot",
    whose accuracies on new are measured and not predicted.
    """
    predicted = held_out(lines, how)
    numbered = groups(range(len(lines)), lambda i: tuple(lines[i][key] for key in _KEYS))
    found = []
    for (upgrade, _, method, _), at in numbered.items():
        by_what = {lines[i]["what"]: i for i in at}
        line = lines[by_what["carried"]]
        measured = {what: 100 * lines[i]["new"] for what, i in by_what.items()}
        guessed = {what: measured[what] if what in known else float(predicted[i]) for what, i in by_what.items()}
        sides = (measured, line["accuracy"]), (guessed, line[f"old{how}"])
        by_labels, guess = (_case(method, accuracies, 100 * old) for accuracies, old in sides)
        firm = not could_be(guess, (UNTOLD if how == "_untold" else TOLD).typical)
        added = measured["carried"] - measured["zero-shot"]
        right, said = judge(by_labels)[0], judge(guess)[0]
        left = max(0.0, _reached(right, by_labels) - _reached(said, by_labels))
        found.append(Judged(upgrade, added, right, said, firm, left))
    return found


def _reached(verdict: Verdict, case: Case) -> float:
    """Accuracy on new after the step of a verdict, from what was measured; of training, its stand-in in an audit."""
    if verdict == "keep":
        return case.carried
    if verdict != "repair":
        return case.old
    return case.zero_shot + case.imitated * (case.old - case.zero_shot) if case.repaired is None else case.repaired


def _case(method: str, accuracies: Mapping[str, float], old: float) -> Case:
    return Case(
        accuracies["carried"],
        accuracies["zero-shot"],
        old,
        accuracies.get("repaired"),
        method not in _CLOSED,
        IMITATED.get(method),
    )


def off_stand_in(records: Sequence[Record]) -> float:
    """Points that retraining is from the plug-in's accuracy on old, on average: its stand-in in an audit.

    records: of compatibility. The upgrade in which nothing changes is left out.
    """
    changed = (r for r in records if r.method != "zero_shot" and r.titles.upgrade != "mini-identity")
    rows = (row for record in changed for row in record.per_seed if row["retrained"] is not None)
    return fmean(abs(row["old"] - row["retrained"]) for row in rows)


def agreement(found: Sequence[Judged]) -> float:
    """Share of plug-ins with the same verdict, of 1."""
    return fmean(one.right for one in found)


def confusions(found: Sequence[Judged]) -> dict[tuple[Verdict, Verdict], float]:
    """(by measured accuracies, by predicted ones) -> share of all plug-ins, of 1, where the two differ; most first."""
    counts = Counter((one.measured, one.guessed) for one in found if not one.right)
    return {pair: count / len(found) for pair, count in counts.most_common()}


def missed_sentence(lines: Sequence[Line]) -> str:
    """By how much the goal for verdicts is missed, and which verdicts are taken for which.

    Empty where the goal is reached.
    """
    found = judged(lines)
    missed = 100 * (_GOAL - agreement(found))
    if missed <= 0:
        return ""
    wrong, firm = confusions(found), [one for one in found if one.firm]
    dearer = sum(share for (measured, guessed), share in wrong.items() if _dear(guessed) > _dear(measured))
    most = "; ".join(f"*{a}* is called *{b}* ({_percent(share)})" for (a, b), share in list(wrong.items())[:_NAMED])
    sure = f", of which {_percent(agreement(firm))} are right" if firm else ""
    return (
        f"So the goal for verdicts is missed by {missed:.0f} points. Of all plug-ins, {_percent(dearer)} get a dearer "
        f"verdict than labels give, and {_percent(sum(wrong.values()) - dearer)} a cheaper one. The most frequent: "
        f"{most}. Who follows all of them is {fmean(one.left for one in found):.1f} points on new behind who has "
        "labels, on average. An audit says which verdicts stay the same if accuracies are as far off as they are on "
        f"average: {_percent(len(firm) / len(found))} of them{sure}."
    )


def _dear(verdict: Verdict) -> int:
    return VERDICTS.index(verdict)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def predictor_sentence(lines: Sequence[Line]) -> str:
    """The error of the expected accuracy and the share of right verdicts, beside the goals that were set for them."""
    known, found = errors(lines)[OURS[""]], judged(lines)
    return (
        "On upgrades and datasets that no fit had seen, the expected accuracy of a carried plug-in is off by "
        f"{known.mean:.1f} points on average if its accuracy on old is known; the goal was 5 points. The verdict is "
        f"the one that labels give in {_percent(agreement(found))} of {len(found):,} plug-ins; the goal was "
        f"{_percent(_GOAL)}."
    )


def verdicts_table(lines: Sequence[Line]) -> Table:
    """How often a verdict without labels is right: of all plug-ins and of some, and where more is measured."""
    found = judged(lines)
    parts = {
        "all": found,
        f"within {_NEAR:g} points of zero-shot on new": [x for x in found if abs(x.added) < _NEAR],
        f"{_FAR:g} points or more away from it": [x for x in found if abs(x.added) >= _FAR],
        "upgrades proper, without the controls": [x for x in found if x.upgrade in _PROPER],
        f"the same verdict if accuracies are {TOLD.typical:g} points off": [x for x in found if x.firm],
        "another one then": [x for x in found if not x.firm],
        "all, accuracy on old not known": judged(lines, "_untold"),
        "all, carried plug-in measured": judged(lines, known=("carried",)),
        "all, repaired plug-in measured": judged(lines, known=("repaired",)),
    }
    rows = tuple(
        (words, f"{len(own):,}", f"{100 * agreement(own):.0f}", f"{fmean(one.left for one in own):.1f}")
        for words, own in parts.items()
        if own
    )
    caption = (
        "Verdicts without labels that are those with labels, %, and the points on new that following them leaves "
        "behind, on average. What is not measured is predicted."
    )
    return Table(("plug-ins", "number", "right", "left behind"), rows, caption)
