"""The hash of the code that decides numbers follows what is computed, not how it is written."""

from __future__ import annotations

import pytest

from clipcompat.common import version

CODE = """def double(x):
    \"\"\"Twice.\"\"\"
    if x:
        x = x + x  # a comment
        x = x + 0
    return x
"""


@pytest.fixture
def hashed(tmp_path, monkeypatch):
    """The hash of a package with this code in one of its files."""
    monkeypatch.setattr(version, "_PACKAGE", tmp_path)

    def hash_of(code: str, file: str = "methods/double.py") -> str:
        for old in tmp_path.rglob("*.py"):
            old.unlink()
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(code)
        return version.code_hash.__wrapped__()

    return hash_of


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("a comment", CODE.replace("a comment", "another")),
        ("a docstring", CODE.replace("Twice", "Two times")),
        ("empty lines", CODE.replace("    return", "\n\n    return")),
        ("line breaks", CODE.replace("x + x", "(\n            x + x\n        )")),
    ],
)
def test_words_and_layout_do_not_count(hashed, what, changed):
    assert changed != CODE and hashed(changed) == hashed(CODE), what


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("an operator", CODE.replace("x + x", "x * x")),
        ("a number", CODE.replace("+ 0", "+ 1")),
        ("the kind of a number", CODE.replace("+ 0", "+ 0.0")),
        ("the order of lines", CODE.replace("x = x + 0", "x = x - 1").replace("x = x + x", "x = x + 0")),
        ("where a block ends", CODE.replace("        x = x + 0", "    x = x + 0")),
        ("a default", CODE.replace("(x)", "(x=None)")),
        ("a line less", CODE.replace("        x = x + 0\n", "")),
    ],
)
def test_a_change_of_what_is_computed_counts(hashed, what, changed):
    assert hashed(changed) != hashed(CODE), what


def test_a_moved_file_counts_and_code_that_decides_no_number_does_not(hashed):
    assert hashed(CODE, "methods/twice.py") != hashed(CODE)
    assert hashed(CODE, "cli/double.py") == hashed("x = 1", "common/double.py")
