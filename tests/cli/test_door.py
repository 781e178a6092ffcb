"""The door of the command line: what cannot be encoded, what would act on a terminal, and how a verb may end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clipcompat.cli import main
from clipcompat.common.errors import ByHandError, DataError
from clipcompat.common.terminal import Bars
from clipcompat.runs.records import write_record
from tests.runs.test_records import record
from tests.trees import PROJECT, child_environment, python


def verb(monkeypatch, error: BaseException) -> int:
    """The exit code of a verb that raises this."""

    def raises(folder):
        raise error

    monkeypatch.setattr("clipcompat.runs.results.find_records", raises)
    return main(["table"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("no class 'fox'."), "clipcompat: no class 'fox'.\n"),
        (DataError("no \x1b[2Jfox\nclipcompat: done."), "clipcompat: no \\x1b[2Jfox\\nclipcompat: done.\n"),
        (ByHandError("do this:\n  1. \x07ask"), "clipcompat: do this:\n  1. \\x07ask\n"),
        (PermissionError(13, "Permission denied", "x\n.json"), "clipcompat: x\\n.json: Permission denied.\n"),
    ],
)
def test_an_error_is_one_sentence_and_only_the_library_breaks_lines(monkeypatch, capsys, error, said):
    assert verb(monkeypatch, error) == 1 and capsys.readouterr().err == said


@pytest.mark.parametrize(
    "error",
    [MemoryError("Unable to allocate 9 GiB"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9\nstack")],
)
def test_memory_that_runs_out_is_a_sentence(monkeypatch, capsys, error):
    assert verb(monkeypatch, error) == 1
    said = capsys.readouterr().err
    assert said.startswith("clipcompat: out of memory (") and "fewer classes.\n" in said and "stack" not in said


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), KeyError("zs_old"), TypeError(), RecursionError(), ValueError()]
)
def test_a_bug_of_the_library_keeps_its_traceback(monkeypatch, error):
    with pytest.raises(type(error)):
        verb(monkeypatch, error)


def test_stopped_is_a_sentence_and_the_code_that_shells_expect(monkeypatch, capsys):
    assert verb(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.startswith("clipcompat: stopped;")


# As Ctrl-C while a module is imported.
STOPPED = """
import sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]: raise KeyboardInterrupt
sys.meta_path.insert(0, Stop())
from clipcompat.cli import main
sys.exit(main(["run", "--method", "zero_shot", "--dataset", "mini/textures"]))
"""


@pytest.mark.parametrize("module", ["argparse", "clipcompat.cli.run", "numpy", "torch"])
def test_stopped_during_an_import(module):
    run = python(STOPPED, module)
    assert run.returncode == 130 and run.stderr.startswith("clipcompat: stopped;") and run.stderr.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
@pytest.mark.parametrize("format", ["text", "md", "csv", "json", "html"])
def test_a_terminal_that_is_not_utf_8_gets_the_whole_table(tmp_path, encoding, format):
    write_record(tmp_path, record(dataset="folder/Rivière 河"))
    run = subprocess.run(
        [sys.executable, "-m", "clipcompat", "table", str(tmp_path), "--format", format],
        cwd=PROJECT,
        env={**child_environment(), "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert run.returncode == 0 and run.stderr == b""
    assert b"Rivi" in run.stdout and b"\\u6cb3" in run.stdout  # not "?": no two classes may read the same


def test_a_name_from_outside_cannot_act_on_the_terminal(tmp_path, capsys):
    write_record(tmp_path, record(dataset="folder/\x1b[2J\x9b31m\u202efox\nclipcompat: done"))
    for format in ("text", "md", "csv", "json", "html"):
        assert main(["table", str(tmp_path), "--format", format]) == 0
        out = capsys.readouterr().out
        assert not set("\x1b\x9b\u202e") & set(out) and "\nclipcompat: done" not in out


def test_arguments_are_repeated_without_control_characters(capsys):
    with pytest.raises(SystemExit):
        main(["list", "\x1b[2J"])
    assert "\x1b" not in (said := capsys.readouterr().err) and r"\x1b[2J" in said


def test_warnings_and_progress_have_no_control_characters(capsys):
    # in a process of its own, because pytest has handlers already
    run = python(
        "import logging\n"
        "from clipcompat.common.terminal import set_up_logging\n"
        "set_up_logging(False)\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: logging.warning('fox\\nERROR: \\x1b[2J', exc_info=True)"
    )
    first, *traceback = run.stderr.splitlines()
    assert first == r"WARNING: fox\nERROR: \x1b[2J" and traceback[0].startswith("Traceback")
    assert traceback[-1] == "ZeroDivisionError: division by zero" and "\x1b" not in run.stderr
    with Bars() as bars:
        bars.say("fox\x1b[2J")
    assert capsys.readouterr().err == "fox\\x1b[2J\n"
