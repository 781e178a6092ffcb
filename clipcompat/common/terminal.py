"""What the command line says. Text from outside is escaped here, so that it cannot act on a terminal."""

import argparse
import io
import logging
import sys
from typing import NoReturn

from clipcompat.common.text import printable


def prepare_streams() -> None:
    """Escape what the terminal's encoding lacks, where Python would raise UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def set_up_logging(verbose: bool) -> None:
    """Warnings on stderr, each once; `verbose`: what else the library tells too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Once())
    handler.setFormatter(_Escaped("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])


def show(line: object) -> None:
    """Print one line of a verb's result."""
    print(printable(str(line)), flush=True)


def say(sentence: str, keep: str = "") -> None:
    """Print one line on stderr. keep: see `printable`."""
    print(printable(sentence, keep), file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """argparse repeats some arguments as they came."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


class Once(logging.Filter):
    """A warning that every seed repeats is printed for the first one only."""

    def __init__(self):
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage() in self._said
        self._said.add(record.getMessage())
        return not said


class _Escaped(logging.Formatter):
    """A message on one line; the lines of a traceback below it stay."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))


class Bars:
    """Progress, one bar for each thing that goes on: on stderr, or below the cell of a notebook.

    always: not only where stderr is a terminal.
    """

    def __init__(self, always: bool = False):
        self._how = {} if always else {"disable": None}  # not given: tqdm asks TQDM_DISABLE
        self._bar, self._what = None, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._close()

    def __call__(self, done: int, total: int, what: str) -> None:
        from tqdm.auto import tqdm

        if what != self._what:
            self._close()
            self._bar = tqdm(total=total, desc=printable(what), leave=False, file=sys.stderr, **self._how)
            self._what = what
        self._bar.update(done - self._bar.n)

    def say(self, sentence: str) -> None:
        """Print a line above the bar, which goes on: it counts its time left from its first step."""
        if self._bar is not None:
            self._bar.clear()
        say(sentence)
        if self._bar is not None:
            self._bar.refresh()

    def _close(self):
        if self._bar is not None:
            self._bar.close()
        self._bar = self._what = None
