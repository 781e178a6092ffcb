"""A shell that asks what may come next gets names, soon and without torch; whatever else is typed runs nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from clipcompat.cli.completion import add_completers, complete
from clipcompat.cli.main import _parser, main
from clipcompat.methods import KNOWN
from tests.trees import python


def completers() -> dict[str, object]:
    """Flag or placeholder -> completer, of every verb."""
    parser, found = _parser(), {}
    add_completers(parser)

    def walk(parser):
        for action in parser._actions:
            for verb in (action.choices or {}).values() if hasattr(action, "add_parser") else ():
                walk(verb)
            if completer := getattr(action, "completer", None):
                found[(action.option_strings or [action.metavar])[0]] = completer

    walk(parser)
    return found


@pytest.mark.parametrize(
    ("argument", "prefix", "names"),
    [
        ("--method", "", sorted(KNOWN)),
        ("--method", "cont", ["contcoop"]),
        ("--dataset", "mini/te", ["mini/textures"]),
        ("--dataset", "f", ["fgvc_aircraft", "folder:", "food101"]),
        ("--upgrade", "clip-to", ["clip-to-eva-vit-b-16", "clip-to-eva-vit-l-14"]),
        ("--classes", "b", ["base"]),
        ("--templates", "t", ["tip7"]),
        ("--backbone", "EVA", ["EVA02-B-16", "EVA02-L-14"]),
        ("--dtype", "b", ["bf16"]),
        ("NAME", "euro", ["eurosat"]),
    ],
)
def test_what_takes_a_known_name_completes_it(argument, prefix, names):
    assert sorted(completers()[argument](prefix=prefix, action=None)) == names


def test_the_command_answers_only_if_a_shell_asks(monkeypatch):
    asked, fake = [], ModuleType("argcomplete")

    def autocomplete(parser):
        asked.append(parser.prog)
        raise SystemExit(0)

    fake.autocomplete = autocomplete
    monkeypatch.setitem(sys.modules, "argcomplete", fake)
    assert main(["list"]) == 0 and asked == []
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    with pytest.raises(SystemExit):
        main([])
    assert asked == ["clipcompat"]


def test_without_argcomplete_nothing_is_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "argcomplete", None)  # importing it fails
    with pytest.raises(SystemExit) as ended:
        complete(_parser())
    assert ended.value.code == 1


def test_completion_needs_no_torch():
    code = (
        "import sys\n"
        "from clipcompat.cli.completion import add_completers\n"
        "from clipcompat.cli.main import _parser\n"
        "add_completers(_parser())\n"
        "print([m for m in ('torch', 'open_clip', 'timm') if m in sys.modules])"
    )
    assert python(code).stdout == "[]\n"


def test_the_real_argcomplete_completes_a_method(tmp_path):
    package = pytest.importorskip("argcomplete", reason="an optional package that is not in the lock")
    code = (
        "import os, sys\n"
        "out, place, line = sys.argv[1:]\n"
        "sys.path.append(place)\n"
        "os.environ |= {'_ARGCOMPLETE': '1', 'COMP_LINE': line, 'COMP_POINT': str(len(line))}\n"
        "os.environ |= {'_ARGCOMPLETE_IFS': ' ', '_ARGCOMPLETE_STDOUT_FILENAME': out}\n"
        "from clipcompat.cli import main\n"
        "main([])"
    )
    out = tmp_path / "said"
    python(code, str(out), str(Path(package.__file__).parents[1]), "clipcompat run --method cont")
    assert out.read_text().split() == ["contcoop"]
