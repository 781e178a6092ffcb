"""Tables of the chapter: every method with its verdict, the three maps, the control, and CoCoOp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.plugins.repair.feature_map import COMPARED
from clipcompat.runs.papers.reproduction import provenance
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat_book.chapters.chains.warm import WarmRun
from clipcompat_book.chapters.repair.costs import Costs, cost_words
from clipcompat_book.chapters.repair.rows import ENOUGH, Repaired, methods_of, records_of, verdict_of
from clipcompat_book.means import groups
from clipcompat_book.words import STARS, datasets, starred, with_interval

_SIDES = ("carried", "repaired", "retrained")
_COCOOP = {
    "carried": "carried unchanged",
    "tokens": "prompt moved by tokens",
    "tokens_50": "… network by 50 captions",
    "tokens_200": "… network by 200 captions",
    "anchors": "prompt moved by anchors",
    "imitate_50": "imitated with 50 pictures",
    "imitate_200": "imitated with 200 pictures",
    "retrained": "retrained, with labels",
}


def gains_table(
    methods: Mapping[str, Repaired], warm: Mapping[str, Sequence[WarmRun]] | None = None, records: Sequence[Record] = ()
) -> Table:
    """The verdict, the shares it is computed from, and points above zero-shot on new: carried, repaired, retrained.

    warm: runs of `warm_runs`; methods that have some may be told to start there. records: those that the methods are
    of; on hover, a row says with which seeds, devices and versions they were made.
    """
    made = records_of(records, "mini")
    rows, hover = [], []
    for title, method in methods.items():
        gains = (with_interval(method.gain(side), "+") for side in _SIDES)
        shares = " → ".join(f"{100 * method.share(name):.0f}" for name in ("carried", "repaired"))
        rows.append((title, verdict_of(method, (warm or {}).get(title, ())), shares, *gains))
        hover.append(provenance(made[title]) if title in made else "")
    caption = (
        "Points above zero-shot on new, ± half of the 95 % interval over sets and seeds: carried; repaired with 200 "
        "pictures without labels; retrained with 16 labels per class. Share: of what retraining adds, carried → "
        f"repaired, %. Verdict: the cheapest that keeps {100 * ENOUGH:.0f} % of what retraining adds; a warm start "
        "instead of retraining where records show that it is not worse."
    )
    return Table(("method", "verdict", "share", *_SIDES), tuple(rows), caption, tuple(hover) if made else ())


def price_table(methods: Mapping[str, Repaired], costs: Costs) -> Table:
    """How a method is repaired, seconds of a repair and of retraining, and negative flips of all three."""
    rows = []
    for title, method in methods.items():
        flips = (f"{method.mean(method.column(name) + '_flips'):.1f}" for name in _SIDES)
        cost = costs.get(title)
        seconds = (f"{cost[name]:.1f}" for name in ("repair", "retrain")) if cost else ("–", "–")
        rows.append((title, method.how, " / ".join(seconds), " / ".join(flips)))
    caption = (
        f"{cost_words()}, repaired / retrained. Negative flips: right on old and wrong on new, %, carried / repaired / "
        "retrained."
    )
    return Table(("method", "repair", "seconds", "negative flips"), tuple(rows), caption)


def steps_table(methods: Mapping[str, Repaired]) -> Table:
    """What a repair adds to carrying, and what it is from retraining, in points on new."""
    rows = [(t, starred(m.behind("repaired", "carried")), starred(m.behind("repaired"))) for t, m in methods.items()]
    caption = f"Repaired without labels, in points on new, ± half of the 95 % interval; {STARS}. Mini."
    return Table(("method", "against carried", "against retrained"), tuple(rows), caption)


def maps_table(methods: Mapping[str, Repaired], count: int = 200) -> Table:
    """The three maps, for the methods that a map repairs: points above zero-shot on new."""
    mapped = {title: method for title, method in methods.items() if method.how == "map"}
    rows = [
        (title, *(with_interval(method.gain(f"map_{kind}_{count}"), "+") for kind in COMPARED))
        for title, method in mapped.items()
    ]
    return Table(("method", *COMPARED), tuple(rows), f"Points above zero-shot on new, {count} pictures without labels.")


def sentences_table(methods: Mapping[str, Repaired]) -> Table:
    """Points above zero-shot on new: a map from sentences beside one from pictures, where a method can have both."""
    columns = ("carried", "text_orthogonal", "repaired", "retrained")
    rows = [
        (title, *(with_interval(method.gain(name), "+") for name in columns), f"{100 * method.share(columns[1]):.0f}")
        for title, method in methods.items()
        if method.values("text_orthogonal")
    ]
    names = ("method", "carried", "from class names", "from 200 pictures", "retrained", "class names: share, %")
    return Table(names, tuple(rows), "Points above zero-shot on new. The class names are those of all mini datasets.")


def controls_table(methods: Mapping[str, Repaired], controls: Mapping[str, Mapping[str, Repaired]]) -> Table:
    """Accuracy on new, carried → repaired | retrained, on the upgrade and on each control."""
    sides = {"the upgrade": methods, **controls}
    rows = []
    for title in methods:
        if any(title in side for side in controls.values()):
            rows.append((title, *(_three(side[title]) if title in side else "–" for side in sides.values())))
    caption = "Accuracy on new: carried → repaired (200 pictures without labels) | retrained. Means over datasets."
    return Table(("method", *sides), tuple(rows), caption)


def sizes_table(sizes: Mapping[str, Mapping[str, Repaired]]) -> Table:
    """The same on upgrades that change less: one row per upgrade, one column per method."""
    titles = list(dict.fromkeys(title for methods in sizes.values() for title in methods))
    rows = []
    for what, methods in sizes.items():
        cells = [_three(methods[title]) if title in methods else "–" for title in titles]
        seeds = {len({row["seed"] for _, row in method.rows}) for method in methods.values()}
        rows.append((what, *cells, " or ".join(map(str, sorted(seeds)))))
    caption = (
        "Accuracy on new: carried → repaired (200 pictures without labels) | retrained. Means over datasets. Mini."
    )
    return Table(("what is new", *titles, "seeds"), tuple(rows), caption)


def _three(method: Repaired) -> str:
    carried, repaired, retrained = (f"{method.mean(name):.1f}" for name in _SIDES)
    return f"{carried} → {repaired} | {retrained}"


def cocoop_table(records: Sequence[Record]) -> Table:
    """CoCoOp's repairs, from carried to retrained: points above zero-shot on new, and against the carried plug-in.

    records: of `without_pictures`, which has more seeds and so the row of the carried plug-in, and of `repair`.
    """
    by_study = groups(records, lambda record: record.study)
    blind, seen = (methods_of(by_study[study], "mini")["CoCoOp"] for study in ("without_pictures", "repair"))
    rows = []
    for name, words in _COCOOP.items():
        method = blind if blind.values(name) else seen
        if method.values(name):
            seeds = len({row["seed"] for _, row in method.rows})
            against = "–" if name == "carried" else starred(method.behind(name, "carried"))
            rows.append((words, with_interval(method.gain(name), "+"), against, str(seeds)))
    sets = len({dataset for dataset, _ in seen.rows})
    caption = (
        f"CoCoOp on new, {datasets(sets)}: points, ± half of the 95 % interval over datasets and seeds. {STARS}. Mini."
    )
    return Table(("repair", "above zero-shot", "against carried", "seeds"), tuple(rows), caption)
