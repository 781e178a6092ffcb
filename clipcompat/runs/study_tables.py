"""One table for each study of some records."""

from collections.abc import Sequence

from clipcompat.runs.papers import paper_shifted
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table, cell, compatibility_table, dataset_title, with_mini_note
from clipcompat.studies.statistic import Statistic


def study_tables(records: Sequence[Record], caption: str = "") -> list[Table]:
    """The tables of `records`, one for each study, in the order of the studies' first records."""
    studies = dict.fromkeys(record.study for record in records)
    mine = {study: [record for record in records if record.study == study] for study in studies}
    own = {"compatibility": compatibility_table, "ood": ood_table, "cross_dataset": cross_dataset_table}
    tables = []
    for study, of in mine.items():
        tables.append(own[study](of, caption) if study in own else numbers_table(of, caption or f"{study}."))
    return tables


def numbers_table(records: Sequence[Record], caption: str = "") -> Table:
    """One row per record of any study: mean ± sd over seeds of every number that a row of its `per_seed` has.

    Lists, as of layers or classes, have no place in a table; a data frame of the study shows them.
    """
    found = [number_statistics(record) for record in records]
    names = tuple(dict.fromkeys(name for its in found for name in its))
    rows = []
    for record, its in zip(records, found, strict=True):
        what = (record.titles.upgrade, dataset_title(record), record.titles.label)
        rows.append((*what, *(cell(its.get(name)) for name in names), str(len(record.per_seed))))
    columns = ("upgrade", "dataset", "method", *names, "seeds")
    return Table(columns, tuple(rows), with_mini_note(records, caption))


def number_statistics(record: Record) -> dict[str, Statistic]:
    """Over seeds, of every number that the record's study measured."""
    names = dict.fromkeys(name for row in record.numbers for name in row)
    return {name: Statistic.of([row[name] for row in record.numbers if name in row]) for name in names}


def ood_table(records: Sequence[Record], caption: str = "") -> Table:
    """One row per record: accuracy on old → on new, mean ± sd over seeds.

    "shifted, mean" is the mean over the shifted sets. The paper's numbers are those on old, of its Table 3.
    """
    table = _table_of_others(records, "shifts", "shifted", caption)
    paper = [_paper_numbers(record) or {} for record in records]
    cells = [" / ".join(f"{number:.2f}" for number in printed.values()) or "–" for printed in paper]
    rows = tuple((*row, cell) for row, cell in zip(table.rows, cells, strict=True))
    return Table((*table.columns, "paper, old"), rows, table.caption)


def cross_dataset_table(records: Sequence[Record], caption: str = "") -> Table:
    """One row per record: accuracy on old → on new, mean ± sd over seeds, on the source and on the other sets."""
    return _table_of_others(records, "targets", "targets", caption)


def _table_of_others(records: Sequence[Record], key: str, called: str, caption: str) -> Table:
    """key: of a row's list of further test sets. called: what their mean is called."""
    sets = tuple(dict.fromkeys(other["dataset"] for r in records for row in r.per_seed for other in row[key]))
    columns = ("upgrade", "source", "method", "on source", *sets, f"{called}, mean", "seeds")
    rows = tuple(_row(record, sets, key, called) for record in records)
    return Table(columns, rows, with_mini_note(records, caption))


def _row(record: Record, sets: Sequence[str], key: str, called: str) -> tuple[str, ...]:
    rows = record.per_seed
    there = [{other["dataset"]: other["there"] for other in row[key]} for row in rows]
    cells = [_cell([(row[name]["old"], row[name]["new"]) for row in there if name in row]) for name in sets]
    source = _cell([(row["old"], row["new"]) for row in rows])
    mean = _cell([(row[f"{called}_old"], row[f"{called}_new"]) for row in rows])
    title = record.titles
    return (title.upgrade, dataset_title(record), title.label, source, *cells, mean, str(len(rows)))


def _cell(pairs: Sequence[tuple[float, float]]) -> str:
    if not pairs:
        return "–"
    return " → ".join(cell(Statistic.of(side)) for side in zip(*pairs, strict=True))


def _paper_numbers(record: Record) -> dict[str, float] | None:
    """What the paper prints for this run, by dataset; None if it did not run this."""
    inputs = record.inputs
    as_in_paper = inputs["classes"] == "all" and inputs["shots"] == 16 and record.is_plain
    return paper_shifted(inputs["upgrade"], record.dataset, record.method) if as_in_paper else None
