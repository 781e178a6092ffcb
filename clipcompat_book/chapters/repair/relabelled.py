"""With labels again, but fewer of them or less time: changes of weights masked by signs, and warm starts held to old.

masked = methods_of(committed_records("signs"), "mini")     # study "signs"
held = methods_of(committed_records("focal"), "mini")       # study "focal"
"""

from __future__ import annotations

from collections.abc import Mapping

from clipcompat.runs.tables import Table
from clipcompat.studies.carried.focal import WEIGHTS
from clipcompat.studies.carried.signs import SHOTS
from clipcompat.studies.comparison import Comparison
from clipcompat_book.chapters.repair.rows import Repaired
from clipcompat_book.words import STARS, by_direction, datasets, starred, with_interval

_MASKED = {f"signs_{shots}": f"masked, {shots} a class" for shots in SHOTS}
_HELD = {"warm": "warm", **{f"focal_{weight:g}": f"held, λ = {weight:g}" for weight in WEIGHTS}}
_STRONGEST = f"focal_{max(WEIGHTS):g}"


def masked_table(methods: Mapping[str, Repaired]) -> Table:
    """One column per method: carried whole, masked by the gradient of a few pictures, retrained; and negative flips."""
    ways = {"carried": "carried", **_MASKED, "retrained": "retrained"}
    rows = [(words, *(_gain(method, name) for method in methods.values())) for name, words in ways.items()]
    for name in ("carried", max(_MASKED, key=_number), "retrained"):
        flips = (_flips(method, name) for method in methods.values())
        rows.append((f"flips: {ways[name]}", *flips))
    caption = (
        "Points above zero-shot on new ± half of the 95 % interval over sets and seeds. Flips: right on old and wrong "
        "on new, in percent of the test pictures. Mini."
    )
    return Table(("", *methods), tuple(rows), caption)


def masked_sentence(methods: Mapping[str, Repaired]) -> str:
    """In which direction masking by most pictures goes, method by method."""
    most = max(_MASKED, key=_number)
    gaps = {title: method.behind(most, "carried") for title, method in methods.items()}
    return f"Masked by {max(SHOTS)} pictures of a class, against carried whole: {by_direction(gaps)}."


def held_table(methods: Mapping[str, Repaired]) -> Table:
    """Against retraining from scratch: points of accuracy and of negative flips, for warm starts held to old or not.

    Where there is a warm start, one more row is the strongest hold against it.
    """
    rows = []
    for title, method in methods.items():
        first = f"{method.mean('scratch'):.1f}", f"{method.mean('scratch_flips'):.1f}"
        rows.append((title, "from scratch", *first))
        for name, words in _HELD.items():
            if method.values(name):
                rows.append((title, words, *map(starred, _gaps(method, name, "scratch"))))
        if method.values("warm"):
            rows.append((title, "the last − warm", *map(starred, _gaps(method, _STRONGEST, "warm"))))
    count = len({dataset for method in methods.values() for dataset, _ in method.rows})
    caption = (
        "From scratch: percent. The others: points against it ± half of the 95 % interval, over seeds and "
        f"{datasets(count)}; {STARS}. λ: weight of the focal distillation towards the plug-in on old. Mini."
    )
    return Table(("method", "retrained", "accuracy on new", "negative flips"), tuple(rows), caption)


def held_sentence(methods: Mapping[str, Repaired]) -> str:
    """In which direction the strongest distillation moves accuracy and flips, against the same training without it."""
    both = {
        title: _gaps(method, _STRONGEST, "warm" if method.values("warm") else "scratch")
        for title, method in methods.items()
    }
    accuracy, flips = ({title: gaps[k] for title, gaps in both.items()} for k in (0, 1))
    return (
        f"**With λ = {max(WEIGHTS):g}, against the same training without it.** Accuracy: {by_direction(accuracy)}. "
        f"Negative flips: {by_direction(flips, 'more', 'fewer')}."
    )


def _gaps(method: Repaired, name: str, rival: str) -> tuple[Comparison, Comparison]:
    """One way of retraining minus another: accuracy and negative flips."""
    accuracy, flips = (method.behind(f"{name}{what}", f"{rival}{what}") for what in ("", "_flips"))
    return accuracy, flips


def _gain(method: Repaired, name: str) -> str:
    return with_interval(method.gain(name), "+") if method.values(name) else "–"


def _flips(method: Repaired, name: str) -> str:
    column = f"{method.column(name)}_flips"
    return f"{method.mean(column):.1f}" if method.values(column) else "–"


def _number(name: str) -> int:
    return int(name.partition("_")[2])
