"""Names for a shell's completion with argcomplete, which is not installed with this package.

pip install argcomplete
eval "$(register-python-argcomplete clipcompat)"
"""

import argparse
from collections.abc import Callable, Iterable, Iterator

from clipcompat.backbones.catalog import GENERATIONS, UPGRADES
from clipcompat.cli.records import method_settings
from clipcompat.data.mini.sets import SETS
from clipcompat.data.public.layout import dataset_names
from clipcompat.data.templates import STYLES
from clipcompat.runs.request import CLASSES


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and end the process."""
    try:
        import argcomplete
    except ImportError:  # the shell has another environment's
        raise SystemExit(1) from None
    add_completers(parser)
    argcomplete.autocomplete(parser)


def add_completers(parser: argparse.ArgumentParser) -> None:
    """Give every argument that takes a known name a `completer`, as argcomplete looks for it."""
    for action in _actions(parser):
        names = _NAMES.get(action.option_strings[0] if action.option_strings else str(action.metavar))
        if names is not None:
            action.completer = _completer(names())


def _completer(names: Iterable[str]) -> Callable[..., list[str]]:
    known = list(names)
    return lambda prefix, **_: [name for name in known if name.startswith(prefix)]


def _datasets() -> list[str]:
    return ["mini", *SETS, *dataset_names(), "folder:", "csv:"]


def _backbones() -> list[str]:
    """Those of the named upgrades; open_clip has many more, and takes seconds to list them."""
    return sorted({model for generations in GENERATIONS.values() for model, _ in generations})


_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "--method": method_settings,
    "--dataset": _datasets,
    "--upgrade": lambda: UPGRADES,
    "--classes": lambda: CLASSES,
    "--templates": lambda: STYLES,
    "--backbone": _backbones,
    "--device": lambda: ("cpu", "cuda", "mps"),
    "--dtype": lambda: ("bf16", "fp16", "fp32"),
    "NAME": dataset_names,
}
"""A flag, or the placeholder of an argument without one -> what it takes."""


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # argcomplete reads them here too
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)
        else:
            yield action
