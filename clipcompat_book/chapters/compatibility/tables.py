"""Tables that chapters print: our records without small print, the controls of one method, the paper beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from statistics import fmean
from typing import Any

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.data.load import dataset_names
from clipcompat.runs.papers import paper_accuracy
from clipcompat.runs.papers.reproduction import provenance
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table, compatibility_table
from clipcompat.studies.report import harmonic_mean
from clipcompat.studies.summary import summary
from clipcompat_book.chapters.compatibility.controls import Gain, by_upgrade, gains, with_retraining
from clipcompat_book.means import by_dataset, change, of_method, over_zero_shot, over_zero_shot_on_old, reports_of
from clipcompat_book.words import method_rank, method_titles, with_interval

_SHOWN = ("dataset", "method", "old", "new", "H", "kept", "retrained", "flips")


def results_table(records: Sequence[Record], caption: str = "") -> Table:
    """One row per record, mean ± sd over seeds, as in `compatibility_table`, in the columns that fit on a page.

    While the pointer rests on a row, it says with which seeds, device and versions its record was made.
    """
    order = sorted(records, key=lambda r: (r.dataset, method_rank(r.method), len(r.titles.method)))
    full = compatibility_table(order, caption)
    rows = []
    for record, row in zip(order, full.rows, strict=True):
        cells = dict(zip(full.columns, row, strict=True)) | {"method": record.titles.method}
        rows.append(tuple(cells[column] for column in _SHOWN))
    hover = tuple(provenance([record]) for record in order)
    return Table(_SHOWN, tuple(rows), f"{full.caption} {_how(order)}".strip(), hover)


def control_table(records: Sequence[Record], method: str) -> Table:
    """One row per upgrade, from nothing changed to nothing kept: accuracies on new, and what a carried plug-in lost.

    method: a title. ± is half of the 95 % interval over datasets and seeds. "–": it was not retrained there.
    """
    rows, hover = [], []
    for title, mine in by_upgrade(with_retraining(of_method(records, method))).items():
        hover.append(provenance(mine))
        reports = reports_of(mine)
        fields = ["zs_new", "new"]
        retrained = all(report.retrained is not None for report in reports)
        lost = with_interval(change(reports, lambda r: r.new - r.retrained), "+") if retrained else "–"
        means = [fmean(by_dataset(reports, attrgetter(field)).values()) for field in fields + ["retrained"] * retrained]
        cells = [f"{mean:.1f}" for mean in means] + ["–"] * (not retrained)
        flips = fmean(by_dataset(reports, attrgetter("negative_flips")).values())
        rows.append((title, *cells, with_interval(change(reports, over_zero_shot), "+"), lost, f"{flips:.1f}"))
    columns = ("new is", "zero-shot", "carried", "retrained", "carried − zero-shot", "carried − retrained", "flips")
    caption = f"{method} on new, in percent; ± half of the 95 % interval over datasets and seeds. Mini."
    return Table(columns, tuple(rows), caption, tuple(hover))


def gains_table(records: Sequence[Record]) -> Table:
    """One row per method, one column per upgrade, from nothing changed to nothing kept: points over zero-shot on new.

    A cell is "carried | retrained"; "–" stands for what has no records. While the pointer rests on a row, it says with
    which seeds, devices and versions its records were made.
    """
    own = {title: of_method(records, title) for title in method_titles(records)}
    found = {title: gains(mine) for title, mine in own.items()}
    upgrades = list(by_upgrade(records))
    rows = [
        (title, *(_carried_and_retrained(mine[name]) if name in mine else "–" for name in upgrades))
        for title, mine in found.items()
    ]
    caption = "Points over zero-shot on new, carried | retrained. Means over datasets and seeds. Mini."
    return Table(("method", *upgrades), tuple(rows), caption, tuple(map(provenance, own.values())))


def _carried_and_retrained(gain: Gain) -> str:
    return f"{gain.mean:+.1f} | " + ("–" if gain.retrained is None else f"{gain.retrained:+.1f}")


def _how(records: Sequence[Record]) -> str:
    """What the small print of a table says: seeds, shots, views and epochs, as the records have them."""

    def counts(what: str, values: Sequence[Any]) -> str:
        distinct = sorted({v for v in values if v is not None})
        return f"{'/'.join(map(str, distinct))} {what}" if distinct else ""

    rows = [row for record in records for row in record.per_seed]
    parts = (
        counts("seeds", [len(record.per_seed) for record in records]),
        counts("shots", [record.inputs["shots"] for record in records]),
        counts("views", [row["views"] for row in rows]),
        counts("epochs", [row.get("epochs") or None for row in rows]),
    )
    return f"Mean ± sd: {', '.join(part for part in parts if part)}."


def paper_beside_ours(records: Sequence[Record], upgrade: str = "clip-to-eva-vit-b-16") -> Table:
    """Old / new / H as the ContCoOp paper prints them, averaged over its datasets, beside the average of our records.

    upgrade: the paper's. Records with changed settings get a row of their own, which the paper leaves empty.
    H is that of the averages, as in the paper. While the pointer rests on a row, it says how ours was measured.
    """
    mini = all(upgrade_kind(r.inputs["upgrade"]) == "mini" for r in records)
    datasets = len({r.dataset for r in records})
    own = ", some on an own split" if any("split" in r.inputs for r in records) else ""
    rows, hover, printed_on = [], [], 0
    for title in method_titles(records):
        mine = of_method(records, title)
        printed = [p for d in dataset_names() if (p := paper_accuracy(upgrade, d, mine[0].titles.label))]
        printed_on = max(printed_on, len(printed))
        means = [summary(record.reports) for record in mine]
        only = f" (only {len(mine)})" if len(mine) < datasets else ""
        rows.append((title, _average(printed), _average([(m["old"].mean, m["new"].mean) for m in means]) + only))
        hover.append(f"ours: {_gains(mine)}; {provenance(mine)}")
    columns = (
        "method",
        f"paper, {printed_on} datasets: old / new / H",
        f"ours ({'mini, ' if mini else ''}{datasets} datasets{own}): old / new / H",
    )
    return Table(columns, tuple(rows), compatibility_table(records).caption, tuple(hover))


def _gains(records: Sequence[Record]) -> str:
    """Points above zero-shot with their intervals; zero-shot itself has none."""
    if records[0].method == "zero_shot":
        return "zero-shot"
    sides = {"old": over_zero_shot_on_old, "new": over_zero_shot}
    gains = (f"{with_interval(change(reports_of(records), side), '+')} on {name}" for name, side in sides.items())
    return f"{', '.join(gains)} points above zero-shot (95 % interval over datasets and seeds)"


def _average(pairs: Sequence[tuple[float, float]]) -> str:
    if not pairs:
        return "–"
    old, new = (fmean(side) for side in zip(*pairs, strict=True))
    return f"{old:.1f} / {new:.1f} / {harmonic_mean(old, new):.1f}"
