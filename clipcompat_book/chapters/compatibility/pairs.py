"""Every method on several pretrained pairs: does a carried plug-in keep its place where old and new are others?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat_book.means import groups, over_seeds, over_zero_shot, reports_of
from clipcompat_book.words import method_titles, with_interval


def pairs_of_all_methods(pairs: Mapping[str, Sequence[Record]]) -> Table:
    """One row per method that has records on every pair: points above zero-shot on new, carried and retrained.

    pairs: what the chapter calls a pair -> its records, each with retraining. Means over datasets; ± half of the 95 %
    interval over seeds. Zero-shot, which has nothing to carry, is left out.
    """
    by_title = {name: groups(records, lambda r: r.titles.method) for name, records in pairs.items()}
    shared = set.intersection(*map(set, by_title.values()))
    titles = method_titles(record for records in pairs.values() for record in records)
    rows = []
    for title in (title for title, name in titles.items() if title in shared and name != "zero_shot"):
        cells = []
        for own in by_title.values():
            reports = reports_of(own[title])
            again = over_seeds(reports, lambda r: r.retrained - r.zs_new)
            cells += [with_interval(over_seeds(reports, over_zero_shot), "+"), f"{again.mean:+.1f}"]
        rows.append((title, *cells))
    columns = [f"{name}: {what}" for name in pairs for what in ("carried", "retrained")]
    datasets = min(len({r.dataset for r in own}) for own in pairs.values())
    caption = (
        f"Points above zero-shot on new, mean of {datasets} datasets, ± half of the 95 % interval over seeds. "
        "Retrained: the same training on new."
    )
    return Table(("method", *columns), tuple(rows), caption)
