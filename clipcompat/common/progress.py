"""Progress of long work: what is called, and who sees it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clipcompat.common.terminal import Bars

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what); `what` names the task and, where needed, its unit."""


@contextmanager
def showing(progress: Progress | bool | None) -> Iterator[Progress | None]:
    """What to call inside the context.

    progress: a function is called itself. None shows a bar on stderr if that is a terminal, or below the cell of a
        notebook, and nothing elsewhere; TQDM_DISABLE=1 in the environment hides it. True shows it everywhere, False
        nowhere.
    """
    if callable(progress):
        yield progress
    elif progress or (progress is None and is_watched()):
        with Bars(always=True) as bars:
            yield bars
    else:
        yield None


def is_watched() -> bool:
    """Whether someone can see a bar: stderr is a terminal, or this is a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    in_notebook = any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)
    return in_notebook or (sys.stderr is not None and sys.stderr.isatty())
