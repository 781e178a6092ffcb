"""The verb that makes records: `clipcompat run`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcompat.common.errors import ClipcompatError
from clipcompat.common.terminal import Bars, show
from clipcompat.runs.request import add_request_options, requested

if TYPE_CHECKING:
    from clipcompat.runs.records import Record
    from clipcompat.runs.run import Run

_RUN = """\
tune a method on the old backbone, test it on both, write one record for each method and dataset

  clipcompat run --method contcoop --dataset mini/textures --upgrade mini --seeds 1 2 3 --out results/
  clipcompat run --method contcoop --dataset eurosat --root $DATA --upgrade clip-to-eva-vit-b-16
  clipcompat run --method contcoop --dataset folder:pictures/pets --upgrade clip-to-eva-vit-b-16
"""


def add_run_verb(verbs: Any) -> None:
    """Add it to the parser's sub-commands."""
    run = verbs.add_parser(
        "run",
        help="one run: method, dataset, upgrade, seeds -> one record",
        description=_RUN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_request_options(run)
    run.add_argument(
        "--cache", metavar="DIR", help="where features and hashes of pictures are kept (default: OUT/cache)"
    )
    run.add_argument("--out", default="results", metavar="DIR", help="where records go (default: results)")
    run.set_defaults(verb=_run)


def _run(options: argparse.Namespace) -> None:
    from clipcompat.runs.run import Run  # takes seconds

    # all are checked before the first one starts
    execute([Run(**request) for request in requested(options)], options.out, options.cache)


def execute(runs: "Sequence[Run]", out: str, cache: str | None, go_on: bool = False) -> "tuple[list[Run], int]":
    """Run one after the other, then print one table of all, and the files of the records.

    What was finished before an error or Ctrl-C is printed too.

    go_on: an error of one run is printed and does not stop the others.

    Returns:
        The runs that finished, and the exit code: 1 after an error.
    """
    from clipcompat.runs.study_tables import study_tables

    done: dict[Path, Record] = {}
    finished, code = [], 0
    try:
        for run in runs:
            with Bars() as bars:
                try:
                    record, path = run.execute(out, cache or os.path.join(out, "cache"), bars, bars.say)
                except ClipcompatError as error:
                    if not go_on:
                        raise
                    bars.say(f"clipcompat: {error}")
                    code = 1
                    continue
                done[path] = record
                finished.append(run)
                if len(runs) > 1:
                    bars.say(f"{len(finished)} of {len(runs)}: {path}")
    finally:
        if done:
            print(*study_tables(list(done.values())), sep="\n\n")
            for path in done:
                show(path)
    return finished, code
