"""The command line. Every verb is found from `clipcompat --help`, which imports nothing heavy.

Almost everything is imported inside `main`, so that Ctrl-C during an import ends in a sentence too.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_STOPPED = "clipcompat: stopped; what was finished is kept, and the same command goes on from there."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code, 0 where it has none; 1 after an error in one sentence, 130 after Ctrl-C.

    An error that no user can cause is raised, with its traceback.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print(_STOPPED, file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    import os

    from clipcompat.common.errors import ByHandError, ClipcompatError
    from clipcompat.common.terminal import prepare_streams, say, set_up_logging

    prepare_streams()
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:
        from clipcompat.cli.completion import complete

        complete(parser)
    options = parser.parse_args(arguments)
    set_up_logging(options.verbose)
    try:
        code = options.verb(options) or 0
        sys.stdout.flush()
        return code
    except ByHandError as error:  # its lines are the library's own
        say(f"clipcompat: {error}", keep="\n")
    except ClipcompatError as error:
        say(f"clipcompat: {error}")
    except BrokenPipeError:  # `clipcompat table … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file without permission, say
        say(f"clipcompat: {error.filename or 'a file'}: {error.strerror or error}.")
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        advice = "Use --dtype bf16, fewer --views, less --memory, smaller batches or fewer classes."
        say(f"clipcompat: out of memory ({str(error).partition(chr(10))[0]}). {advice}")
    return 1


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    from clipcompat.backbones.device import is_out_of_memory  # torch is there, as it raised this

    return isinstance(error, MemoryError) or is_out_of_memory(error)


def _parser() -> "argparse.ArgumentParser":
    from clipcompat.cli.audit import add_audit_verb
    from clipcompat.cli.cache import add_cache_verb
    from clipcompat.cli.data import add_data_verbs
    from clipcompat.cli.plugins import add_plugin_verbs
    from clipcompat.cli.records import add_record_verbs
    from clipcompat.cli.repair import add_repair_verbs
    from clipcompat.cli.results import add_results_verbs
    from clipcompat.cli.run import add_run_verb
    from clipcompat.cli.sweep import add_sweep_verb
    from clipcompat.cli.test import add_test_verb
    from clipcompat.common.terminal import Parser
    from clipcompat.common.version import __version__

    parser = Parser(
        prog="clipcompat",
        description="You tuned a plug-in on a CLIP backbone, the backbone was upgraded: is it still good?",
    )
    parser.add_argument("--version", action="version", version=f"clipcompat {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more on stderr")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    add_run_verb(verbs)
    add_sweep_verb(verbs)
    add_test_verb(verbs)
    add_record_verbs(verbs)
    add_results_verbs(verbs)
    add_plugin_verbs(verbs)
    add_repair_verbs(verbs)
    add_audit_verb(verbs)
    add_data_verbs(verbs)
    add_cache_verb(verbs)
    return parser
