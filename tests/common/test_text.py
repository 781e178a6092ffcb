"""Text from outside cannot act on a terminal or a page, and a long value stays short."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from clipcompat.common.text import brief, latex, markdown, printable, shown


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


_PRINTED = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textasciigrave": "`"}
_PRINTED |= {"textless": "<", "textgreater": ">", "textbar": "|"}
_MATHS = {r"\rightarrow": "→", r"\lambda": "λ", "-": "−"}


def printed(source: str) -> str:
    """What LaTeX prints of a text; an unescaped special sign is an error."""
    token = r"\\([&%$#_{}])|\\(text[a-z]+)\{\}|\\ensuremath\{([^}]*)\}|-(?:\{\}-)+|([^\\&%$#_{}~^])"
    assert re.fullmatch(f"(?:{token})*", source) and not re.search("--|[?!]`", source), source

    def one(match: re.Match) -> str:
        sign, word, maths, plain = match.groups()
        return sign or _PRINTED.get(word) or _MATHS.get(maths) or plain or match[0].replace("{}", "")

    return re.sub(token, one, source)


@pytest.mark.parametrize(
    "text",
    [
        "contcoop (distillation.weight=0.5)",
        "n_ctx & 40 % of {a} for $5, #1",
        r"\input{/etc/passwd} \\ \end{tabular}",
        "~user^2 <b>|`?`",
        "clipcompat sweep table2 --scale paper ---",
        "mini, old 1 → new 2, λ = 0.5, −3.1 ± 0.4 – 5",
        "Rivière 河 ß",
        "",
    ],
)
def test_latex_prints_text_as_it_is(text):
    assert printed(latex(text)) == text


def test_what_acts_on_a_terminal_is_escaped_for_latex_too():
    assert latex("a\nb") == r"a\textbackslash{}nb" and printed(latex("fox\u202egpj")) == r"fox\u202egpj"


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
