"""The page of every public name, made from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import clipcompat

_PARTS = {
    "data": "Data",
    "backbones": "Backbones and upgrades",
    "methods": "Methods",
    "training": "Training",
    "plugins": "Plug-ins",
    "features": "Features",
    "studies": "Studies",
    "audits": "Audits",
    "runs": "Records",
    "common": "Errors",
}
_START = """# The library

What `import clipcompat as cc` offers, from its docstrings. Shapes are in brackets: `[image, dim]` is a row per image.
"""
_SECTION = re.compile(r"(Args|Returns|Raises|Attributes|Yields):$")
_ITEM = re.compile(r"([\w*]+(?:, [\w*]+)*): ")


def api_page() -> str:
    """MyST text: one section per part of the package, one entry per public name.

    Raises:
        ValueError: a public name is of no part listed here.
    """
    of_part: dict[str, list[str]] = {part: [] for part in _PARTS}
    for name in sorted(clipcompat.__all__, key=str.lower):
        value = getattr(clipcompat, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue  # METHODS and __version__ are values, and need no entry
        part = value.__module__.split(".")[1]
        if part not in of_part:
            raise ValueError(f"clipcompat.{name} is of clipcompat.{part}, which book/tools/api.py has no title for.")
        of_part[part].append("\n".join(_entry(name, value, "###")))
    sections = [f"## {_PARTS[part]}\n\n" + "\n".join(entries) for part, entries in of_part.items() if entries]
    return "\n".join([_START, *sections])


def _entry(name: str, value, level: str) -> Iterator[str]:
    yield f"{level} {name}\n"
    yield f"```python\n{_signature(name, value)}\n```\n"
    yield _markdown(inspect.getdoc(value) or "")
    if inspect.isclass(value):
        for member, function in inspect.getmembers(value, inspect.isfunction):
            if not member.startswith("_") and function.__qualname__.startswith(f"{value.__name__}."):
                yield f"**.{member}**\n"
                yield f"```python\n{_signature(member, function)}\n```\n"
                yield _markdown(inspect.getdoc(function) or "")


def _signature(name: str, value) -> str:
    """One line where it fits a page, else one argument per line; without types, which the docstring tells in words."""
    bare = [p.replace(annotation=p.empty) for p in inspect.signature(value).parameters.values() if p.name != "self"]
    signature = inspect.Signature(bare)
    text = f"{name}{signature}"
    if len(text) <= 76:
        return text
    arguments = str(signature)[1:-1]
    lines = re.split(r", (?=[\w*]+(?:=|,|$)|\*)", arguments)
    return f"{name}(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def _markdown(docstring: str) -> str:
    """A docstring of this project as Markdown: sections in bold, their items as lists."""
    lines: list[str] = []
    section = False
    for line in docstring.splitlines():
        text = line.strip().replace("<", "&lt;").replace("$", "\\$")
        indent = len(line) - len(line.lstrip())
        section = section if indent or not text else False
        if title := _SECTION.match(text):
            section = True
            lines.append(f"**{title[1]}**\n")
        elif section and indent == 4 and (item := _ITEM.match(text)):
            lines.append(f"- `{item[1]}`: {text[item.end() :]}")
        elif section and text:
            lines.append(f"  {text}" if lines[-1].startswith(("- ", "  ")) else f"- {text}")
        else:
            lines.append(text)
    return "\n".join(lines) + "\n"
