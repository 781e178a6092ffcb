"""The verb for plug-ins that exist already: `clipcompat test`."""

import argparse
import os
from pathlib import Path
from typing import Any

from clipcompat.cli.run import execute
from clipcompat.common.errors import ClipcompatError
from clipcompat.common.terminal import Bars, say, show
from clipcompat.runs.request import add_request_options, requested_datasets

_TEST = """\
test plug-ins that exist already, imports too, on both backbones of an upgrade, and write records as `run` does

  clipcompat test coop.safetensors --upgrade mini --dataset mini/textures
  clipcompat test seed-*.safetensors --upgrade clip-to-eva-vit-b-16 --dataset eurosat --root $DATA --details

Plug-ins that differ in their seed alone share a record. Where the dataset is the one that a plug-in was tuned on, the
same training is repeated on new for comparison. An import does not say which images it was trained on; it is tested
without. A plug-in that cannot be tested does not stop the others.

exit code: 0 if all were tested; 1 if one was not; 2 for a wrong call
"""

_OF_THE_PLUGIN = ("method", "seeds", "shots", "settings", "views", "allow_fewer", "study")


def add_test_verb(verbs: Any) -> None:
    """Add it to the parser's sub-commands."""
    layout = {"description": _TEST, "formatter_class": argparse.RawDescriptionHelpFormatter}
    test = verbs.add_parser("test", help="plug-ins that exist already, upgrade -> records", **layout)
    test.add_argument("plugins", nargs="+", metavar="PLUGIN", help="a .safetensors file of `fit`, `run` or `import`")
    add_request_options(test, without=_OF_THE_PLUGIN)
    says = "also print, for each plug-in, accuracies per class, confusions, and the pictures that flipped"
    test.add_argument("--details", action="store_true", help=says)
    test.add_argument(
        "--cache", metavar="DIR", help="where features and hashes of pictures are kept (default: OUT/cache)"
    )
    test.add_argument("--out", default="results", metavar="DIR", help="where records go (default: results)")
    test.set_defaults(verb=_test)


def _test(options: argparse.Namespace) -> int:
    from clipcompat.plugins.plugin import load_plugin
    from clipcompat.runs.given import given_runs

    plugins, unread = [], 0
    for file in options.plugins:
        try:
            plugins.append((Path(file).name, load_plugin(file)))
        except ClipcompatError as error:
            say(f"clipcompat: {error}")
            unread = 1
    runs = [run for request in requested_datasets(options) for run in given_runs(plugins, **request)]
    cache = options.cache or os.path.join(options.out, "cache")
    done, code = execute(runs, options.out, cache, go_on=True)
    for run in done if options.details else ():
        _print_details(run, cache)
    return code or unread


def _print_details(run: Any, cache: str) -> None:
    from clipcompat.runs.detail_tables import class_table, confusion_table, flip_table

    with Bars() as bars:
        found = run.details(cache, bars)
    for file, details in found.items():
        print()
        show(f"{file} on {run.dataset}")
        for table in (class_table, confusion_table, flip_table):
            print(f"\n{table(details)}", flush=True)
