"""The built book, and a Chromium that can reach nothing but its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from book.tools.notebook import toc_files
from book.tools.runs import screenshot

_ROOT = Path(__file__).parents[2]
LAPTOP, PHONE = screenshot.WIDTHS
_PATIENCE = 120_000  # milliseconds: a busy machine is no error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`name`: every page of the contents. `chapter`: those of notebooks. A page that is open serves all its tests."""
    pages = toc_files(_ROOT / "_toc.yml")
    for argument, values in (("name", pages), ("chapter", [p for p in pages if p.startswith("notebooks/")])):
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values, scope="session")


@pytest.fixture(scope="session")
def html() -> Path:
    folder = _ROOT / "_build" / "html"
    assert (folder / "index.html").is_file(), "there is no built book; run `make book` first"
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    with screenshot.chromium() as browser:
        yield browser


@pytest.fixture
def visit(html: Path, chromium) -> Iterator[Callable]:
    """A function (page's name, width in pixels) -> the open page; at the end nothing may have failed on any."""
    with _opener(html, chromium) as open_page:
        yield open_page


@pytest.fixture(scope="session")
def laptop(name: str, html: Path, chromium) -> Iterator[object]:
    """A page on a light laptop, for tests that only look at it."""
    with _opener(html, chromium) as open_page:
        yield open_page(name, color_scheme="light")


@pytest.fixture(scope="session")
def dark(name: str, html: Path, chromium) -> Iterator[object]:
    """The same for a reader whose system is dark."""
    with _opener(html, chromium) as open_page:
        yield open_page(name, color_scheme="dark")


@pytest.fixture(scope="session")
def phone(name: str, html: Path, chromium) -> Iterator[object]:
    """The same on a phone, after its figures were fitted."""
    with _opener(html, chromium) as open_page:
        page = open_page(name, width=PHONE)
        page.wait_for_function("""() => [...document.querySelectorAll('.clipcompat-figure .js-plotly-plot')].every(
            (plot) => !plot.clientWidth || plot.clientWidth >= 480 || 'fitted' in plot.dataset)""")
        page.wait_for_timeout(700)
        yield page


@contextmanager
def _opener(html: Path, browser) -> Iterator[Callable]:
    opened, wrong = [], []

    def open_page(name: str, width: int = LAPTOP, **context):
        tab = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **context)
        opened.append(tab)
        page = tab.new_page()
        page.set_default_timeout(_PATIENCE)
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
    assert [line for line in wrong if not line.startswith(screenshot.CHATTER)] == []


def _local(address: str) -> bool:
    return address.startswith(("file:", "data:", "blob:"))
