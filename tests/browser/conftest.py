"""The built book, and a Chromium that can reach nothing but its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from book.tools.notebook import toc_files
from book.tools.screenshot import BROWSERS

_CHATTER = ("[PST]: ", "[togglebutton]: ")  # what the theme's own scripts log on every page
_ROOT = Path(__file__).parents[2]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`name`: every page of the table of contents."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", toc_files(_ROOT / "_toc.yml"))


@pytest.fixture(scope="session")
def html() -> Path:
    folder = _ROOT / "_build" / "html"
    assert (folder / "index.html").is_file(), "there is no built book; run `make book` first"
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    assert program, f"no browser; put one of {', '.join(BROWSERS)} on the PATH"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(html: Path, chromium) -> Iterator[Callable]:
    """A function (page's name, width in pixels) -> the open page; at the end nothing may have failed on any."""
    opened, wrong = [], []

    def open_page(name: str, width: int = 1280, **context):
        tab = chromium.new_context(viewport={"width": width, "height": 900}, offline=True, **context)
        opened.append(tab)
        page = tab.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        if context.get("java_script_enabled", True):  # else what was fetched ahead for scripts is given up
            page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on("request", lambda request: _local(request.url) or wrong.append(f"asked for {request.url}"))
        page.goto((html / f"{name}.html").as_uri())
        return page

    yield open_page
    for tab in opened:
        tab.close()
    assert [line for line in wrong if not line.startswith(_CHATTER)] == []


def _local(address: str) -> bool:
    return address.startswith(("file:", "data:", "blob:"))
