"""The page of the library names everything that is public, and says what the docstrings say."""

import inspect

import pytest

import clipcompat as cc
from book.tools.api import api_page


@pytest.fixture(scope="module")
def page() -> str:
    return api_page()


def test_every_public_function_and_class_has_an_entry(page):
    headings = {line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")}
    values = {name for name in cc.__all__ if not isinstance(getattr(cc, name), str | dict | tuple)}
    assert headings == values


def test_every_entry_begins_with_the_first_sentence_of_its_docstring(page):
    for name in cc.__all__:
        if f"### {name}\n" in page:
            entry = page.split(f"### {name}\n")[1].split("### ")[0]
            first = (inspect.getdoc(getattr(cc, name)) or "").splitlines()[0]
            assert first and first in entry.replace("&lt;", "<").replace("\\$", "$")


def test_an_argument_is_an_item_with_all_its_lines(page):
    entry = page.split("### fit\n")[1].split("### ")[0]
    assert "**Args**" in entry and "**Raises**" in entry
    assert "- `seed`: of initial values" in entry
    assert "\n  0 augments and encodes again" in entry  # the second line of `views`
    assert "- `ConfigError, DataError`: " in entry


def test_a_signature_has_no_types_and_fits_the_page(page):
    code = [block.split("```")[0] for block in page.split("```python\n")[1:]]
    assert all(": " not in line for block in code for line in block.splitlines() if "{" not in line)
    assert max(len(line) for block in code for line in block.splitlines()) <= 90
