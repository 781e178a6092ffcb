"""Tables of all methods: what the records say of each, and what a page has just measured."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.averages import EQUAL, averages, plain_reports
from clipcompat_book.chapters.compatibility.controls import TWIN, UPGRADE, Gain, gains, shipped_pair
from clipcompat_book.chapters.compatibility.places import depth
from clipcompat_book.chapters.compatibility.sentences import name_title


def overview_table(records: Sequence[Record]) -> Table:
    """A row a method with its default settings: what it adds to zero-shot on old, carried to new, and retrained there.

    records: with the controls; ± is half of the 95 % interval over seeds. kept: carried / retrained, of the averages.
    """
    rows, own = [], averages(plain_reports(shipped_pair(records)))
    most = max((len(average.datasets) for average in own.values()), default=0)
    for name, average in own.items():
        mine = [record for record in records if record.titles.label == name]
        found = gains(mine) if name != "zero_shot" else {}
        if UPGRADE not in found:
            continue
        best = None if average.retrained is None else average.retrained - average.zs_new
        kept = "–" if best is None or best < EQUAL else f"{round(100 * average.gains[1] / best)} %"
        carried, twin = (_plus_minus(found.get(upgrade)) for upgrade in (UPGRADE, TWIN))
        told = f"{average.gains[0]:+.1f}", carried, "–" if best is None else f"{best:+.1f}", kept
        title = name_title(name) + (f" (only {len(average.datasets)})" if len(average.datasets) < most else "")
        rows.append((title, depth(name) or "–", *told, f"{average.negative_flips:.1f}", twin))
    columns = ("method", "acts", "on old", "carried to new", "retrained", "kept", "flips", "carried to a seed twin")
    caption = f"Points above zero-shot, means over {most} datasets; ± half of the 95 % interval over seeds. Mini."
    return Table(columns, tuple(rows), caption)


def live_table(found: Sequence[Compatibility], caption: str = "") -> Table:
    """A row a method; for every dataset old → new, the gain over zero-shot, and the share of negative flips."""
    datasets = list(dict.fromkeys(report.dataset for report in found))
    per_set = {name: averages(r for r in found if r.dataset == name) for name in datasets}
    rows = []
    for method in averages(found):
        cells = [name_title(method)]
        for name in datasets:
            a = per_set[name].get(method)
            gained = "–" if a is None else f"{a.gains[0]:+.1f} → {a.gains[1]:+.1f}"
            cells += ["–" if a is None else f"{a.old:.1f} → {a.new:.1f}", gained]
            cells.append("–" if a is None else f"{a.negative_flips:.1f}")
        rows.append(tuple(cells))
    short = [name.removeprefix("mini/") for name in datasets]
    columns = [column for name in short for column in (f"{name}: old → new", "over zero-shot", "flips")]
    return Table(("method", *columns), tuple(rows), caption)


def _plus_minus(gain: Gain | None) -> str:
    if gain is None:
        return "–"
    return f"{gain.mean:+.1f}" + ("" if gain.interval is None else f" ± {gain.interval:.1f}")
