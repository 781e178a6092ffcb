"""The feature file under processes that run at once, wait, are killed, or find the disk full."""

from __future__ import annotations

from contextlib import ExitStack

import torch

from clipcompat.features.store import FeatureFile
from tests.children import child
from tests.trees import python

WIDTH = 8

APPEND = """
import sys, torch
from clipcompat.features.store import FeatureFile
file = FeatureFile(sys.argv[1], "x", 8, "stamp")
"""


def test_a_full_disk_keeps_what_was_committed(tmp_path):
    run = python(
        APPEND + "import resource\n"
        "file.append(torch.ones(4, 8))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
        "try: file.append(torch.ones(40, 8))\n"
        "except Exception as error: print(type(error).__name__, error)",
        str(tmp_path),
    )
    assert run.stdout.startswith("StorageError could not add 1,280 bytes"), run.stderr
    assert "The rows before them are safe" in run.stdout
    file = FeatureFile(tmp_path, "x", WIDTH, "stamp")
    assert torch.equal(file.read(file.rows()), torch.ones(4, 8))
    file.append(torch.zeros(40, WIDTH))
    assert torch.equal(file.read(44), torch.cat([torch.ones(4, WIDTH), torch.zeros(40, WIDTH)]))


ADD_TEN = """
for _ in range(10):
    with file.locked():
        at = file.rows()
        file.append(torch.full((1, 8), float(at)))
"""


def test_the_lock_makes_processes_wait(tmp_path):
    """Two processes add ten times each; without the lock, they would overwrite each other's rows."""
    with child(APPEND + ADD_TEN, str(tmp_path)) as one, child(APPEND + ADD_TEN, str(tmp_path)) as other:
        assert [run.wait() for run in (one, other)] == [0, 0]
    file = FeatureFile(tmp_path, "x", WIDTH, "stamp")
    assert file.rows() == 20 and torch.equal(file.read(20)[:, 0], torch.arange(20.0))


WAIT = """
import logging
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
with file.locked():
    print(f"had it after {file.rows()} rows", flush=True)
"""


def test_a_process_that_waits_says_so_once(tmp_path):
    file, head = FeatureFile(tmp_path, "x", WIDTH, "stamp"), tmp_path / "x.head"
    with ExitStack() as held:
        held.enter_context(file.locked())
        with child(APPEND + WAIT, str(tmp_path)) as waiting:
            assert waiting.stdout.readline() == f"WARNING waiting for another process that is filling {head}\n"
            file.append(torch.ones(4, WIDTH))
            held.close()
            assert waiting.stdout.read() == "had it after 4 rows\n"
            assert waiting.wait() == 0


KILLED = (
    APPEND
    + """
import os, signal

def dying(function):
    def call(*arguments):
        global calls_left
        calls_left -= 1
        if calls_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call

def grow():
    while (at := file.rows()) < 60_000:
        file.append(torch.arange(at, at + 3001.0)[:, None].expand(-1, 8))

# an append flushes rows, flushes the new header, replaces the old one, and flushes the folder: four calls, and a kill
# before each; the first append also flushes the folder before the header
for calls in range(12):
    if not (process := os.fork()):
        try:
            calls_left, os.fsync, os.replace = calls, dying(os.fsync), dying(os.replace)
            grow()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    print(file.rows())
grow()
"""
)


def test_kills_before_every_step_of_an_append_lose_and_double_no_row(tmp_path):
    """Processes add numbered rows, in lots that end within blocks, and are killed (SIGKILL) again and again."""
    run = python(KILLED, str(tmp_path))
    assert run.returncode == 0, run.stderr
    # a kill after n calls comes after (n + 1) // 4 whole appends, later than the first one
    lots = [0, 0, 0, 0, 1, 2, 3, 5, 7, 9, 11, 14]
    assert [int(line) for line in run.stdout.split()] == [lot * 3001 for lot in lots]
    file = FeatureFile(tmp_path, "x", WIDTH, "stamp")
    file.verify()
    assert file.rows() == 20 * 3001
    assert torch.equal(file.read(file.rows()), torch.arange(20 * 3001.0)[:, None].expand(-1, 8))
