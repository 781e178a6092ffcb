"""The verbs that show things: `clipcompat table` and `clipcompat list`."""

import argparse
from typing import Any

from clipcompat.common.errors import DataError


def add_record_verbs(verbs: Any) -> None:
    """Add them to the parser's sub-commands."""
    table = verbs.add_parser("table", help="show records")
    table.add_argument(
        "folder", nargs="?", default="results", help="where the records are, or one of them (default: results)"
    )
    table.add_argument("--format", choices=("text", "markdown"), default="text")
    table.add_argument(
        "--jsonl", metavar="FILE", help="also write the records as one sorted JSONL, the form kept in git"
    )
    table.set_defaults(verb=_table)
    names = verbs.add_parser("list", help="methods with their settings, datasets, upgrades")
    names.set_defaults(verb=_list)


def _table(options: argparse.Namespace) -> None:
    from clipcompat.runs.records import find_records, write_lines
    from clipcompat.runs.tables import compatibility_table

    records = find_records(options.folder)
    if not records:
        raise DataError(
            f"there are no records under {options.folder}; `clipcompat run … --out {options.folder}` makes them."
        )
    table = compatibility_table(records)
    print(table if options.format == "text" else table.to_markdown())
    if options.jsonl:
        print(write_lines(options.jsonl, records))


def _list(options: argparse.Namespace) -> None:
    from clipcompat.backbones.upgrade import UPGRADES
    from clipcompat.common.config import to_config
    from clipcompat.common.files import to_json
    from clipcompat.data.load import dataset_names
    from clipcompat.data.mini.datasets import mini_names
    from clipcompat.methods import METHODS

    for name, method in METHODS.items():
        print(f"method   {name}  {to_json(to_config(method()), indent=None)}")
    for name in (*mini_names(), *dataset_names()):
        print(f"dataset  {name}")
    for name in UPGRADES:
        print(f"upgrade  {name}")
