"""Text from outside cannot act on a terminal or a page, and a long value stays short."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from clipcompat.common.text import brief, markdown, printable, shown


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("red fox", "red fox"),
        ("Rivière → 河, 40 %", "Rivière → 河, 40 %"),
        ("\x1b[2Jfox", r"\x1b[2Jfox"),
        ("fox\nclipcompat: done", r"fox\nclipcompat: done"),
        ("fox\rowl", r"fox\rowl"),
        ("\x9b31mfox", r"\x9b31mfox"),
        ("fox\u202egpj", r"fox\u202egpj"),
        ("caf\udce9", r"caf\udce9"),
    ],
)
def test_what_would_act_on_a_terminal_is_escaped(text, safe):
    assert printable(text) == safe and printable(safe) == safe


def test_line_breaks_of_the_library_itself_may_stay():
    assert printable("1. this\n2. \x07that", keep="\n") == "1. this\n2. \\x07that"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("coop (n_ctx=2, recipe.epochs=1)", "coop (n_ctx=2, recipe.epochs=1)"),
        ("63.2 ± 0.4, 12.0 → 13.0", "63.2 ± 0.4, 12.0 → 13.0"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("`fox`", r"\`fox\`"),
        ("fox | owl", r"fox \| owl"),
        ("fox \\| owl", r"fox \\\| owl"),
        ("mini*", r"mini\*"),
        ("_fox_", r"\_fox\_"),
        ("[fox](http://x)", r"\[fox\](http://x)"),
        ("&lt;", "&amp;lt;"),
        ("$x$", r"\$x\$"),
        ("a\nb", r"a\\nb"),
    ],
)
def test_markdown_shows_text_as_it_is(text, safe):
    assert markdown(text) == safe


def test_a_long_name_is_cut_in_its_middle():
    assert shown("fox") == "'fox'" and shown("a" * 10**6).startswith("'aaa") and len(shown("a" * 10**6)) == 81


@dataclass(frozen=True)
class Long:
    names: tuple[str, ...]
    inner: object = None
    __repr__ = brief


def test_a_dataclass_with_many_values_prints_a_few():
    long = Long(tuple(map(str, range(30_000))), Long(("a",) * 9))
    assert repr(long) == "Long(names=('0', '1', '2', ...), inner=Long(names=('a', 'a', 'a', ...), inner=None))"
    assert len(repr(Long(("x" * 10**6,) * 10**4, {str(i): "y" * 10**5 for i in range(100)}))) < 1000
