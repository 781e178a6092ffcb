"""The command line. Every verb is found from `clipcompat --help`, which imports nothing heavy."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from clipcompat.cli.cache import add_cache_verb
from clipcompat.cli.data import add_data_verbs
from clipcompat.cli.plugins import add_plugin_verbs
from clipcompat.cli.records import add_record_verbs
from clipcompat.cli.run import add_run_verb
from clipcompat.common.errors import ClipcompatError
from clipcompat.common.terminal import Once
from clipcompat.common.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code, 0 where it has none; 1 after an error in one sentence, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    level = logging.INFO if options.verbose else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Once())
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s", handlers=[handler])
    try:
        code = options.verb(options) or 0
        sys.stdout.flush()
        return code
    except ClipcompatError as error:
        print(f"clipcompat: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        print(
            f"clipcompat: out of memory ({error}). Use --dtype bf16, fewer --views, less --memory or fewer classes.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            "clipcompat: stopped; what was finished is kept, and the same command goes on from there.", file=sys.stderr
        )
        return 130
    except BrokenPipeError:  # `clipcompat table … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a file without permission, say
        print(f"clipcompat: {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clipcompat",
        description="You tuned a plug-in on a CLIP backbone, the backbone was upgraded: is it still good?",
    )
    parser.add_argument("--version", action="version", version=f"clipcompat {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more on stderr")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    add_run_verb(verbs)
    add_record_verbs(verbs)
    add_plugin_verbs(verbs)
    add_data_verbs(verbs)
    add_cache_verb(verbs)
    return parser
