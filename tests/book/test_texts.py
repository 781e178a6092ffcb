"""Pages that are written by hand name commands and chapters that exist."""

import re
import shlex
from pathlib import Path

import pytest

from clipcompat.cli.main import _parser

PAGES = sorted((Path(__file__).parents[2] / "book").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_understood(page):
    text = page.read_text(encoding="utf-8").replace("\n", " ")
    for command in re.findall(r"`clipcompat ([^`]+)`", text):
        words = shlex.split(command.replace("…", "table2"))
        if len(words) > 1:  # a verb alone is named, and not shown as it is typed
            _parser().parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_chapter_is_to_one_that_exists(page):
    for target in re.findall(r"\]\(([^)#]+\.ipynb)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).is_file(), target
