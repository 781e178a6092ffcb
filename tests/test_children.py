"""No process outlives the test that started it."""

from __future__ import annotations

import contextlib
import signal

import pytest

from tests import children
from tests.children import child, let_go_on

WAITS = "print('ready', flush=True); print(repr(input()))"


def test_a_process_is_killed_when_the_test_fails():
    with pytest.raises(AssertionError, match="a claim"), child(WAITS) as run:
        assert run.stdout.readline() == "ready\n"
        raise AssertionError("a claim")
    assert run.returncode == -signal.SIGKILL


def test_a_process_that_hangs_is_killed_and_its_output_ends(monkeypatch):
    monkeypatch.setattr(children, "HANGING", 0)
    with child(WAITS) as run:
        assert run.stdout.read() in ("", "ready\n")
        assert run.wait() == -signal.SIGKILL


def test_a_process_that_waits_for_a_line_goes_on_with_it():
    with child(WAITS) as run:
        let_go_on(run)
        assert run.stdout.read() == "ready\n''\n" and run.wait() == 0


def test_a_process_hears_ctrl_c_even_where_the_tests_do_not():
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with child(WAITS) as run:
            assert run.stdout.readline() == "ready\n"
            run.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # it has ended
                let_go_on(run)  # one that does not hear it ends well
            assert run.wait() == -signal.SIGINT and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, ours)
