"""Text from outside (class names, paths, headers of files), made safe to show, and long values made short."""

import html
import re
import reprlib
from dataclasses import fields
from typing import Any

_MARKDOWN = re.compile(r"[\\`*\[\]|~$#]|(?<!\w)_|_(?!\w)")
_LATEX = str.maketrans(
    {sign: "\\" + sign for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    | {sign: rf"\ensuremath{{\{name}}}" for sign, name in zip("→λωαβ≈≤≥", (
        "rightarrow", "lambda", "omega", "alpha", "beta", "approx", "leq", "geq"
    ), strict=True)}
    | {"−": r"\ensuremath{-}"}
)  # fmt: skip  # a kind of sign per line
_LONGEST = 80  # characters of a name in a sentence


def printable(text: str, keep: str = "") -> str:
    """The text on one line: control characters, line breaks and invisible characters are escaped, as in "\\x1b[2J".

    keep: characters that stay although they are such.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def markdown(text: str) -> str:
    """The text, escaped so that Markdown shows it as it is: no HTML, code, emphasis, link, formula or table cell."""
    return html.escape(_MARKDOWN.sub(r"\\\g<0>", printable(text)), quote=False)


def latex(text: str) -> str:
    """The text, escaped so that LaTeX prints it as it is: no command, comment, formula, table cell or joined hyphens.

    Letters beyond Latin need XeLaTeX or LuaLaTeX and a font that has them.
    """
    return printable(text).translate(_LATEX).replace("--", "-{}-").replace("--", "-{}-")


def shown(name: Any) -> str:
    """A value in quotes, as `repr` has it; of a long one the beginning and the end."""
    whole = repr(name)
    return whole if len(whole) <= _LONGEST else f"{whole[: _LONGEST // 2]}…{whole[-_LONGEST // 2 :]}"


def brief(value: Any) -> str:
    """A dataclass as its own `repr` has it, but with long fields cut; use it as `__repr__ = brief`."""
    cut = reprlib.Repr()
    cut.maxstring = cut.maxother = 120
    cut.maxlist = cut.maxtuple = cut.maxdict = 3
    parts = ", ".join(f"{f.name}={cut.repr(getattr(value, f.name))}" for f in fields(value) if f.repr)
    return f"{type(value).__name__}({parts})"
