"""A bar is shown where someone can see it, and only there."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from clipcompat.common.progress import is_watched, showing


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ZMQInteractiveShell:
    """As a notebook's shell is called; Colab's is a subclass."""


class Shell(ZMQInteractiveShell):
    pass


def notebook(monkeypatch, shell) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def shown(progress) -> str:
    """What stderr gets of three steps."""
    with showing(progress) as told:
        for done in range(1, 4):
            if told:
                told(done, 3, "coop on toys")
    return sys.stderr.getvalue()


def test_a_terminal_and_a_notebook_are_watched_and_a_log_is_not(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    notebook(monkeypatch, None)
    assert not is_watched()
    for shell in (ZMQInteractiveShell(), Shell()):
        notebook(monkeypatch, shell)
        assert is_watched()
    notebook(monkeypatch, object())  # IPython in a terminal
    assert not is_watched()
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert is_watched()
    monkeypatch.setattr(sys, "stderr", None)  # pythonw
    assert not is_watched()


@pytest.mark.parametrize(
    ("stream", "progress", "bar"),
    [(Terminal, None, True), (io.StringIO, None, False), (Terminal, False, False), (io.StringIO, True, True)],
)
def test_a_bar_is_shown_if_it_is_seen_or_asked_for(monkeypatch, stream, progress, bar):
    monkeypatch.setattr(sys, "stderr", stream())
    assert ("coop on toys" in shown(progress)) is bar


def test_a_variable_of_the_environment_hides_it(monkeypatch):
    from tests.trees import python

    code = "from clipcompat.common.progress import showing\nwith showing(True) as told: told(1, 2, 'coop on toys')"
    assert "coop on toys" in python(code).stderr
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert python(code).stderr == ""


def test_a_function_is_called_and_shows_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    told = []
    assert shown(lambda *step: told.append(step)) == "" and told[-1] == (3, 3, "coop on toys")


def test_the_time_left_counts_from_the_beginning_whatever_is_said_meanwhile(monkeypatch):
    """One step takes a minute; the first one ends with a sentence, the second one is followed by the bar alone."""
    clock = iter(range(0, 10_000, 60))
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", Terminal())
    with showing(True) as told:
        for done in range(4):
            now[0] = float(next(clock))
            if done == 1:
                told.say("failed: one of them")
            told(done, 4, "runs")
        said = sys.stderr.getvalue()
    assert "failed: one of them\n" in said and "3/4 [03:00<01:00" in said
