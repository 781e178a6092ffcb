"""Processes beside the test's own. A test waits for what they say, never for a time, and they end when it does."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.trees import HANGING, PROJECT, child_environment


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process with pipes for stdin and stdout; it is killed on exit, or when it must have hung.

    So a read of its output needs no time limit: it ends when the process does. It hears Ctrl-C as in a terminal.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    # where the tests themselves run in the background of a shell, Ctrl-C is ignored, and a child would inherit that
    ours = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        run = subprocess.Popen(command, cwd=PROJECT, env=child_environment(), **pipes | options)
    finally:
        signal.signal(signal.SIGINT, ours)
    guard = threading.Timer(HANGING, run.kill)
    guard.start()
    try:
        yield run
    finally:
        guard.cancel()
        run.kill()
        run.wait()
        for pipe in (run.stdin, run.stdout, run.stderr):
            if pipe:
                pipe.close()


def child(code: str, *arguments: str, **options: Any):
    """Some lines of Python in such a process."""
    return running([sys.executable, "-c", code, *arguments], **options)


def let_go_on(run: subprocess.Popen[str]) -> None:
    """Give a line to a process that waits for one."""
    run.stdin.write("\n")
    run.stdin.flush()
