"""The verbs `clipcompat results pack | unpack | verify`: records as files of a folder, and as one file for git."""

import argparse
from pathlib import Path
from typing import Any

from clipcompat.common.errors import ClipcompatError, DataError
from clipcompat.common.files import refuse_overwriting
from clipcompat.common.terminal import show


def add_results_verbs(verbs: Any) -> None:
    """Add them to the parser's sub-commands."""
    results = verbs.add_parser("results", help="pack, unpack and verify records").add_subparsers(
        required=True, metavar="pack|unpack|verify"
    )
    pack = results.add_parser("pack", help="the records of a folder -> one sorted JSONL file, the form kept in git")
    pack.add_argument("folder", metavar="FOLDER")
    pack.add_argument("file", metavar="FILE.jsonl")
    pack.add_argument("--force", action="store_true", help="overwrite FILE.jsonl")
    pack.set_defaults(verb=_pack)
    unpack = results.add_parser("unpack", help="a JSONL file -> one file per record, so that runs and sweeps find them")
    unpack.add_argument("file", metavar="FILE.jsonl")
    unpack.add_argument("folder", metavar="FOLDER")
    unpack.set_defaults(verb=_unpack)
    verify = results.add_parser("verify", help="read every record and compare checksums; exit code 1 if one is unsound")
    verify.add_argument("place", metavar="FOLDER|FILE")
    verify.set_defaults(verb=_verify)


def _pack(options: argparse.Namespace) -> None:
    from clipcompat.runs.records import find_records, record_files, write_lines

    refuse_overwriting(options.file, options.force, record_files(Path(options.folder)))
    found = find_records(options.folder)
    if not found:
        raise DataError(f"there are no records under {options.folder}; nothing was written.")
    show(f"{len(found)} records in {write_lines(options.file, found, options.force)}")


def _unpack(options: argparse.Namespace) -> None:
    from clipcompat.runs.records import find_records, read_record, record_path, write_record

    found = find_records(options.file)
    for record in found:  # before anything is written: a record that is there stays, and must say the same
        path = record_path(options.folder, record.study, record.inputs)
        if path.exists() and read_record(path) != record:
            raise DataError(f"{path} is another record of the same run; move it away, then unpack again.")
    for record in found:
        write_record(options.folder, record)
    show(f"{len(found)} records in {options.folder}")


def _verify(options: argparse.Namespace) -> int:
    from clipcompat.runs.records import find_records, read_record, record_files

    place = Path(options.place)
    if not place.is_dir():
        show(f"{len(find_records(place))} records, all sound")
        return 0
    sound = unsound = 0
    for path in record_files(place):
        try:
            read_record(path)
            sound += 1
        except ClipcompatError as error:
            unsound += 1
            show(str(error))
    show(f"{sound} records sound, {unsound} not")
    return 1 if unsound or not sound else 0
