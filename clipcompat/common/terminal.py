"""What the command line says while it works: progress bars, and every warning once."""

import logging
import sys


class Once(logging.Filter):
    """A warning that every seed repeats is printed for the first one only."""

    def __init__(self):
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage() in self._said
        self._said.add(record.getMessage())
        return not said


class Bars:
    """Progress on stderr: one bar for each thing that goes on; silent where stderr is no terminal."""

    def __init__(self):
        self._bar, self._what = None, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._close()

    def __call__(self, done: int, total: int, what: str) -> None:
        from tqdm import tqdm

        if what != self._what:
            self._close()
            self._bar, self._what = (tqdm(total=total, desc=what, file=sys.stderr, disable=None, leave=False), what)
        self._bar.update(done - self._bar.n)

    def say(self, sentence: str) -> None:
        self._close()
        print(sentence, file=sys.stderr)

    def _close(self):
        if self._bar is not None:
            self._bar.close()
        self._bar = self._what = None
