"""The verbs that show things: `clipcompat table` and `clipcompat list`. Neither needs torch."""

import argparse
import json
from importlib import resources
from pathlib import Path
from typing import Any

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.files import refuse_overwriting
from clipcompat.common.terminal import show

_TABLE = """\
show records as one table, mean and standard deviation over seeds

  clipcompat table results
  clipcompat table results --format csv > results.csv
  clipcompat table results --study table2          the ContCoOp paper's table, ours and the gap, cell by cell

text, md (Markdown), html and latex (for booktabs) are for readers; csv and json have the same rows with means and
deviations not rounded
"""

_FOLDER = "results"


def add_record_verbs(verbs: Any) -> None:
    """Add them to the parser's sub-commands."""
    layout = {"description": _TABLE, "formatter_class": argparse.RawDescriptionHelpFormatter}
    table = verbs.add_parser("table", help="show records", **layout)
    table.add_argument(
        "folder", nargs="?", default=_FOLDER, help="where the records are, or one of them (default: results)"
    )
    formats = ("text", "md", "markdown", "csv", "json", "html", "latex")
    table.add_argument("--format", choices=formats, default="text", help="(default: text)")
    table.add_argument(
        "--study",
        metavar="NAME",
        help="table2, table8, parts, lambda, heads or condition: the paper's table at its scale, with what is among "
        "the records",
    )
    table.add_argument(
        "--jsonl", metavar="FILE", help="also write the records as one sorted JSONL, the form kept in git"
    )
    table.add_argument("--force", action="store_true", help="overwrite the file of --jsonl if it exists")
    table.set_defaults(verb=_table)
    names = verbs.add_parser("list", help="methods with their settings, datasets, upgrades, studies")
    names.set_defaults(verb=_list)


def _table(options: argparse.Namespace) -> None:
    from clipcompat.runs.records import record_files, write_lines
    from clipcompat.runs.results import Results

    if options.force and not options.jsonl:
        raise ConfigError("--force is for the file of --jsonl; without one, nothing is written.")
    if options.study and options.jsonl:
        raise ConfigError("--jsonl writes all records of the folder; leave --study out.")
    if options.study:
        return _print_study(options)
    if options.jsonl:
        refuse_overwriting(options.jsonl, options.force, record_files(Path(options.folder)))
    found = Results.of(options.folder)
    if not found:
        raise DataError(
            f"there are no records under {options.folder}; `clipcompat run … --out {options.folder}` makes them."
        )
    print(found.to_text(_format(options)))
    if options.jsonl:
        show(write_lines(options.jsonl, found, options.force))


def _print_study(options: argparse.Namespace) -> None:
    """Without a results folder nothing was run here, which is what the table then says."""
    from clipcompat.runs.papers.reproduction import reproduction
    from clipcompat.runs.records import find_records

    nothing = options.folder == _FOLDER and not Path(_FOLDER).exists()
    print(reproduction(options.study, [] if nothing else find_records(options.folder)).to_text(_format(options)))


def _format(options: argparse.Namespace) -> str:
    return "md" if options.format == "markdown" else options.format


def _list(options: argparse.Namespace) -> None:
    from clipcompat.backbones.catalog import UPGRADES
    from clipcompat.common.files import to_json
    from clipcompat.data.mini.sets import SETS
    from clipcompat.data.public.layout import dataset_names
    from clipcompat.runs.sweep.spec import load_spec, spec_names

    for name, settings in method_settings().items():
        show(f"method   {name}  {to_json(settings, indent=None)}")
    for name in (*SETS, *dataset_names()):
        show(f"dataset  {name}")
    for name in UPGRADES:
        show(f"upgrade  {name}")
    for name in spec_names():
        show(f"study    {name}  {load_spec(name).title}")


def method_settings() -> dict[str, dict[str, Any]]:
    """The default settings of every method, from a file beside this one: the methods themselves need torch.

    `python -m tests.cli.test_records` writes the file; a test compares it with the methods.
    """
    return json.loads((resources.files("clipcompat") / "cli" / "methods.json").read_text(encoding="utf-8"))
