"""The verb that makes records: `clipcompat run`."""

import argparse
import os
from typing import Any

from clipcompat.common.terminal import Bars
from clipcompat.runs.request import add_request_options, requested

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
    run.add_argument("--cache", metavar="DIR", help="where image features are kept between runs (default: OUT/cache)")
    run.add_argument("--out", default="results", metavar="DIR", help="where records go (default: results)")
    run.set_defaults(verb=_run)


def _run(options: argparse.Namespace) -> None:
    from clipcompat.runs.run import Run  # takes seconds
    from clipcompat.runs.tables import compatibility_table

    runs = [Run(**request) for request in requested(options)]  # all are checked before the first one starts
    cache = options.cache or os.path.join(options.out, "cache")
    for run in runs:
        with Bars() as bars:
            record, path = run.execute(options.out, cache, bars, bars.say)
        print(compatibility_table([record]))
        print(path, flush=True)
