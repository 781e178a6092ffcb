"""One table for each study of some records."""

from collections.abc import Sequence

from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table, cell, compatibility_table, dataset_title
from clipcompat.studies.statistic import Statistic


def study_tables(records: Sequence[Record], caption: str = "") -> list[Table]:
    """The tables of `records`, one for each study, in the order of the studies' first records."""
    studies = dict.fromkeys(record.study for record in records)
    mine = {study: [record for record in records if record.study == study] for study in studies}
    return [
        compatibility_table(of, caption) if study == "compatibility" else numbers_table(of, caption or study)
        for study, of in mine.items()
    ]


def numbers_table(records: Sequence[Record], caption: str = "") -> Table:
    """One row per record of any study: mean ± sd over seeds of every number that a row of its `per_seed` has.

    Lists, as of layers or classes, have no place in a table; a data frame of the study shows them.
    """
    names = tuple(dict.fromkeys(name for record in records for row in record.numbers for name in row))
    rows = []
    for record in records:
        values = {name: [row[name] for row in record.numbers if name in row] for name in names}
        what = (record.titles.upgrade, dataset_title(record), record.titles.label)
        rows.append((*what, *(cell(Statistic.of(values[name])) for name in names), str(len(record.per_seed))))
    return Table(("upgrade", "dataset", "method", *names, "seeds"), tuple(rows), caption)
