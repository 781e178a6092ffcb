"""Whether predictions without labels lead to the verdict that labels lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from clipcompat.audits.verdict import IMITATED, Case, Verdict, judge
from clipcompat_book.chapters.repair.predictor import OURS, RIVALS, Line, errors, held_out
from clipcompat_book.means import groups

_CLOSED = ("linear_probe", "tip_adapter")  # no training that could go on
_KEYS = ("upgrade", "dataset", "method", "seed")


def verdict_pairs(lines: Sequence[Line], how: str = "") -> Counter[tuple[Verdict, Verdict]]:
    """(verdict from measured accuracies, verdict from predicted ones) -> number of plug-ins.

    Predictions are of fits that saw neither the upgrade nor the dataset. how: "" (the accuracy on old is known) or
    "_val" (it is read from validation pictures).
    """
    predicted = held_out(lines, how)
    numbered = groups(range(len(lines)), lambda i: tuple(lines[i][key] for key in _KEYS))
    found: Counter[tuple[Verdict, Verdict]] = Counter()
    for (*_, method, _), at in numbered.items():
        by_what = {lines[i]["what"]: i for i in at}
        line = lines[by_what["carried"]]
        measured = {what: 100 * lines[i]["new"] for what, i in by_what.items()}
        guessed = {what: float(predicted[i]) for what, i in by_what.items()}
        sides = (measured, line["accuracy"]), (guessed, line[f"old{how}"])
        found[tuple(_verdict(method, accuracies, 100 * old) for accuracies, old in sides)] += 1
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


def agreement(pairs: Counter[tuple[Verdict, Verdict]]) -> float:
    """Share of plug-ins with the same verdict, of 1."""
    return sum(count for (measured, guessed), count in pairs.items() if measured == guessed) / pairs.total()


def predictor_sentence(lines: Sequence[Line]) -> str:
    """The errors and the verdicts in words, beside the goals that were set for them."""
    found = errors(lines)
    known, untold = (found[OURS[how]] for how in ("", "_untold"))
    name = min(RIVALS.values(), key=lambda words: found[words].mean)
    best = found[name]
    pairs = verdict_pairs(lines)
    work = sum(count for (a, b), count in pairs.items() if (a == "keep") != (b == "keep"))
    return (
        f"On upgrades and datasets that no fit had seen, the expected accuracy of a carried plug-in is off by "
        f"{known.mean:.1f} points on average if its accuracy on old is known, and by {untold.mean:.1f} if it is not; "
        f"the best rival, {name}, by {best.mean:.1f}. The goal was 5 points. The verdict is the one that labels give "
        f"in {100 * agreement(pairs):.0f} % of {pairs.total():,} plug-ins; the goal was 90 %. In {work:,} of the "
        "others *keep* stands against some work: many plug-ins are near the line, and zero-shot is predicted less well "
        f"({errors(lines, what='zero-shot')[OURS['']].mean:.1f} points)."
    )
