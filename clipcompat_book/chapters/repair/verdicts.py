"""Whether predictions without labels lead to the verdict that labels lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from clipcompat.audits.verdict import IMITATED, VERDICTS, Case, Verdict, judge
from clipcompat.runs.records import Record
from clipcompat_book.chapters.repair.predictor import OURS, RIVALS, Line, errors, held_out
from clipcompat_book.means import groups

_CLOSED = ("linear_probe", "tip_adapter")  # no training that could go on
_KEYS = ("upgrade", "dataset", "method", "seed")
_PROPER = ("mini", "mini-next", "mini-two-steps", "mini-large")
_NEAR, _FAR = 3.0, 12.0  # points above zero-shot
_GOAL = 0.9  # set before there were records
_NAMED = 3  # confusions in a sentence


@dataclass(frozen=True)
class Judged:
    """One plug-in: its upgrade, what it adds to zero-shot on new (points), and its verdict by either accuracies."""

    upgrade: str
    added: float
    measured: Verdict
    guessed: Verdict

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
        verdicts = (_verdict(method, accuracies, 100 * old) for accuracies, old in sides)
        found.append(Judged(upgrade, measured["carried"] - measured["zero-shot"], *verdicts))
    return found


def _verdict(method: str, accuracies: Mapping[str, float], old: float) -> Verdict:
    case = Case(
        accuracies["carried"],
        accuracies["zero-shot"],
        old,
        accuracies.get("repaired"),
        method not in _CLOSED,
        IMITATED.get(method),
    )
    return judge(case)[0]


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
    """By how much the goal for verdicts is missed, which verdicts are taken for which, and what would have to be known.

    Empty where the goal is reached.
    """
    found = judged(lines)
    missed = 100 * (_GOAL - agreement(found))
    if missed <= 0:
        return ""
    wrong = confusions(found)
    dearer = sum(share for (measured, guessed), share in wrong.items() if _dear(guessed) > _dear(measured))
    most = "; ".join(f"*{a}* is called *{b}* ({_percent(share)})" for (a, b), share in list(wrong.items())[:_NAMED])
    told = {what: agreement(judged(lines, known=(what,))) for what in ("carried", "repaired")}
    return (
        f"So the goal for verdicts is missed by {missed:.0f} points. Of all plug-ins, {_percent(dearer)} get a dearer "
        f"verdict than labels give, and {_percent(sum(wrong.values()) - dearer)} a cheaper one. The most frequent: "
        f"{most}. If the accuracy of the carried plug-in were measured and the rest predicted, "
        f"{_percent(told['carried'])} of the verdicts would be right; {_percent(told['repaired'])} if that of the "
        "repaired one were."
    )


def _dear(verdict: Verdict) -> int:
    return VERDICTS.index(verdict)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def predictor_sentence(lines: Sequence[Line]) -> str:
    """The errors and the verdicts in words, beside the goals that were set for them."""
    errs = errors(lines)
    known, untold = (errs[OURS[how]] for how in ("", "_untold"))
    name = min(RIVALS.values(), key=lambda words: errs[words].mean)
    found, blind = judged(lines), judged(lines, "_untold")
    parts = {
        f"of those within {_NEAR:g} points of zero-shot on new": [x for x in found if abs(x.added) < _NEAR],
        f"of those {_FAR:g} points or more away from it": [x for x in found if abs(x.added) >= _FAR],
        "on the upgrades proper, without the controls": [x for x in found if x.upgrade in _PROPER],
    }
    shares = ", ".join(f"{100 * agreement(own):.0f} % {words}" for words, own in parts.items() if own)
    return (
        "On upgrades and datasets that no fit had seen, the expected accuracy of a carried plug-in is off by "
        f"{known.mean:.1f} points on average if its accuracy on old is known, and by {untold.mean:.1f} if it is not; "
        f"the best rival, {name}, by {errs[name].mean:.1f}. The goal was 5 points. The verdict is the one that labels "
        f"give in {100 * agreement(found):.0f} % of {len(found):,} plug-ins, and in {100 * agreement(blind):.0f} % if "
        f"the accuracy on old is not known; the goal was {_percent(_GOAL)}. It is right in {shares}."
    )
