"""All records of a folder in one object: a table to read, rows to compute with, text in six formats."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcompat.common.errors import unknown_name
from clipcompat.common.frames import to_dataframe
from clipcompat.common.text import brief, printable
from clipcompat.runs.records import Record, find_records, read_record
from clipcompat.runs.study_tables import number_statistics, study_tables
from clipcompat.runs.tables import Table, paper_numbers, to_page
from clipcompat.studies.summary import summary

if TYPE_CHECKING:
    import pandas

FORMATS = ("text", "md", "csv", "json", "html", "latex")


@dataclass(frozen=True)
class Results:
    """Finished runs, sorted by study, dataset, method and id. Prints as a table, and shows as one in a notebook."""

    records: tuple[Record, ...]

    __repr__ = brief

    @classmethod
    def of(cls, folder: str | Path = "results") -> "Results":
        """All records under a folder; or those in a file, .json (one) or .jsonl (many). Needs no torch.

        Raises:
            DataError: there is no such folder, or a record in it is damaged or was changed after it was written.
        """
        return cls(tuple(find_records(folder)))

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables()))

    def _repr_html_(self) -> str:
        return "".join(table.to_html() for table in self.tables())

    def tables(self, caption: str = "") -> list[Table]:
        """One table per study: one row per record, mean ± sd over seeds, with the paper's numbers where they belong."""
        return study_tables(self.records, caption)

    def rows(self) -> list[dict[str, Any]]:
        """One row per seed of every record: what was run, and the numbers of its report, accuracies in percent."""
        found = []
        for record in self.records:
            for row, numbers in zip(record.per_seed, _numbers(record), strict=True):
                trained = {"shots": record.inputs["shots"], "views": row.get("views")}
                found.append({**_what(record), **trained, **numbers, "id": record.id})
        return found

    def means(self) -> list[dict[str, Any]]:
        """One row per record: means and sample standard deviations over seeds, in percent, not rounded.

        h_upgrade and kept_gain are computed from means (see `clipcompat.summary`). What was not measured is None.
        """
        found = [_means(record) for record in self.records]
        names = dict.fromkeys(name for row in found for name in row)  # studies measure different things
        return [{name: row.get(name) for name in names} for row in found]

    def to_dataframe(self) -> "pandas.DataFrame":
        """`rows` as a table of pandas.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return to_dataframe(self.rows())

    def to_text(self, format: str = "text") -> str:
        """The table as "text", "md" (Markdown), "html" (a page) or "latex", or the numbers of `means`, "csv" or "json".

        Raises:
            UnknownNameError: another format.
        """
        return in_format(format, self.tables, self.means)


def in_format(
    format: str, tables: Callable[[], Sequence[Table]], rows: Callable[[], Sequence[Mapping[str, Any]]]
) -> str:
    """Tables as "text", "md", "html" or "latex", or rows of numbers as "csv" or "json".

    Raises:
        UnknownNameError: another format.
    """
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if format == "json":
        return json.dumps(rows(), indent=1, sort_keys=True, allow_nan=False)  # in ASCII, for any terminal
    if format == "csv":
        return _csv(rows())
    if format == "html":
        return to_page(tables())
    way = {"text": Table.__str__, "md": Table.to_markdown, "latex": Table.to_latex}[format]
    return "\n\n".join(map(way, tables()))


def results(folder: str | Path = "results") -> "pandas.DataFrame":
    """One row per seed of every record under a folder, or in a file (.json or .jsonl): `Results.of(folder).rows()`.

    Raises:
        DataError: there is no such folder, or a record in it is damaged or was changed after it was written.
        MissingPackageError: pandas is not installed (extra `book`).
    """
    return Results.of(folder).to_dataframe()


def load_record(path: str | Path) -> Record:
    """One record from its .json file.

    Raises:
        DataError: the file is damaged, was edited, or is no record.
    """
    return read_record(path)


def _what(record: Record) -> dict[str, Any]:
    """What was run, in the words of a table."""
    return {
        "study": record.study,
        "upgrade": record.titles.upgrade,
        "dataset": record.dataset,
        "classes": record.inputs["classes"],
        "split": record.inputs.get("split", "published"),
        "method": record.method,
        "label": record.titles.label,
    }


def _numbers(record: Record) -> list[dict[str, Any]]:
    """What was measured, one mapping per seed."""
    if record.study != "compatibility":
        seeds = [row["seed"] for row in record.per_seed]
        return [{"seed": seed, **numbers} for seed, numbers in zip(seeds, record.numbers, strict=True)]
    reports = [report.to_dict() for report in record.reports]
    return [{k: v for k, v in report.items() if k not in ("method", "dataset")} for report in reports]


def _means(record: Record) -> dict[str, Any]:
    seeds = {"shots": record.inputs["shots"], "seeds": len(record.per_seed)}
    if record.study != "compatibility":
        return {**_what(record), **seeds, **_means_of_numbers(record), "id": record.id}
    found, paper = summary(record.reports), paper_numbers(record) or (None, None)
    numbers = {}
    for name in ("old", "new", "zs_old", "zs_new", "retrained", "negative_flips"):
        statistic = found[name]
        numbers |= {name: statistic and statistic.mean, f"{name}_sd": statistic and statistic.sd}
    derived = {name: found[name] for name in ("h_upgrade", "kept_gain")}
    published = {"paper_old": paper[0], "paper_new": paper[1]}
    return {**_what(record), **seeds, **numbers, **derived, **published, "id": record.id}


def _means_of_numbers(record: Record) -> dict[str, float | None]:
    found = {}
    for name, statistic in number_statistics(record).items():
        found |= {name: statistic.mean, f"{name}_sd": statistic.sd}
    return found


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per row below a line of names; an empty cell is None."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: printable(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows)
    return stream.getvalue().removesuffix("\n")
