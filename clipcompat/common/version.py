"""The version of this package, and a hash of the code that decides numbers. Needs no import of the rest."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

__version__ = "0.1.0"

_PACKAGE = Path(__file__).parents[1]
_NUMERIC = ("data", "backbones", "features", "training", "methods", "plugins", "studies")


@functools.cache
def code_hash() -> str:
    """16 hexadecimal digits of the code from pictures to accuracies, without comments, docstrings and layout.

    Two states of the code with equal hashes make equal numbers. The reverse is not so: a new method changes the hash
    and no other method's numbers.
    """
    sha = hashlib.sha256()
    for path in sorted(p for room in _NUMERIC for p in (_PACKAGE / room).rglob("*.py")):
        sha.update(f"{path.relative_to(_PACKAGE).as_posix()}\n".encode())
        for token in _tokens(ast.parse(path.read_text(encoding="utf-8"))):
            sha.update(f"{token}\n".encode())
    return sha.hexdigest()[:16]


def _tokens(node: ast.AST) -> Iterator[str]:
    """A syntax tree as text. `ast.dump` would do, but what it leaves out differs between versions of Python."""
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        items = value if isinstance(value, list) else [value]
        if name == "body":  # a docstring, or another text that is a statement
            items = [i for i in items if not (isinstance(i, ast.Expr) and isinstance(i.value, ast.Constant))]
        for item in items:
            if isinstance(item, ast.AST):
                yield f"{name}:"
                yield from _tokens(item)
            elif item is not None:
                yield f"{name}={item!r}"
    yield "end"
