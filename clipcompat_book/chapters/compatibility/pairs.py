"""Every method on several pretrained pairs: does a carried plug-in keep its place where old and new are others?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat_book.chapters.compatibility.controls import AGAIN, by_upgrade, shipped_pair
from clipcompat_book.means import groups, over_seeds, over_zero_shot, reports_of
from clipcompat_book.words import method_titles, with_interval

LARGER = "mini-large"
"""The larger pair, as its records call it."""


def pretrained_pairs(records: Sequence[Record], larger: Sequence[Record]) -> dict[str, Sequence[Record]]:
    """The mini pairs on which most methods were run and retrained, by name. larger: further records of the larger pair.

    Pair 2 was pretrained twice: one recipe and one seed on two processors gave two sets of weights. Only the second one
    has CoCoOp.
    """
    found = {"pair 1": shipped_pair(records), "pair 2": by_upgrade(records)["pair 2"]}
    if again := [record for record in records if record.titles.upgrade == f"mini, pair 2{AGAIN}"]:
        found[f"pair 2{AGAIN}"] = again
    return found | {"larger pair": [*larger, *(r for r in records if r.titles.upgrade == LARGER)]}


def pairs_of_all_methods(pairs: Mapping[str, Sequence[Record]]) -> Table:
    """One row per method that has records on two pairs or more: points above zero-shot on new, carried and retrained.

    pairs: what the chapter calls a pair -> its records, each with retraining. Means over datasets; ± half of the 95 %
    interval over seeds. Zero-shot, which has nothing to carry, is left out.
    """
    by_title = {name: groups(records, lambda r: r.titles.method) for name, records in pairs.items()}
    titles = method_titles(record for records in pairs.values() for record in records)
    rows = [
        (title, *(_cell(own.get(title, [])) for own in by_title.values()))
        for title, name in titles.items()
        if name != "zero_shot" and sum(title in own for own in by_title.values()) > 1
    ]
    datasets = min(len({r.dataset for r in own}) for own in pairs.values())
    caption = (
        "Points above zero-shot on new: carried, ± half of the 95 % interval over seeds | retrained there. Mean of "
        f"{datasets} datasets. –: not run."
    )
    return Table(("method", *pairs), tuple(rows), caption)


def _cell(records: Sequence[Record]) -> str:
    if not records:
        return "–"
    reports = reports_of(records)
    again = over_seeds(reports, lambda r: r.retrained - r.zs_new)
    return f"{with_interval(over_seeds(reports, over_zero_shot), '+')} | {again.mean:+.1f}"
