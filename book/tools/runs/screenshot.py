"""Photograph every built page with a headless Chromium, on a laptop and on a phone, light and dark: `make shots`.

A help for authors, not a part of the build: look into `_build/shots`. It repeats what the pages' consoles said.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from book.tools.notebook import toc_files

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS = (1280, 360)
"""Pixels of a laptop's window and of a phone's."""
SCHEMES = ("light", "dark")
CHATTER = ("[PST]: ", "[togglebutton]: ")
"""How lines begin that the theme's own scripts log on every page."""
_SETTLE = 800  # milliseconds for figures that are fitted after they were drawn


@contextmanager
def chromium() -> Iterator[Any]:
    """An installed browser, driven by Playwright.

    Raises:
        FileNotFoundError: none is installed.
    """
    from playwright.sync_api import sync_playwright

    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise FileNotFoundError(f"no browser; put one of {', '.join(BROWSERS)} on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def shoot(browser: Any, page: Path, picture: Path, scheme: str, width: int) -> list[str]:
    """Write `picture` of the whole of `page`; the console's errors and warnings."""
    said: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    tab = context.new_page()
    tab.on("console", lambda line: line.type in ("error", "warning") and said.append(line.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(page.resolve().as_uri())
    tab.wait_for_timeout(_SETTLE)
    tab.screenshot(path=picture, full_page=True)
    context.close()
    return [line for line in said if not line.startswith(CHATTER)]


def shoot_all(html: Path, out: Path, names: Sequence[str], widths: Sequence[int]) -> int:
    """A picture of every page, width and scheme into `out`, as `book_intro.360.dark.png`; how many lines were said."""
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    with chromium() as browser:
        for name, width, scheme in itertools.product(names, widths, SCHEMES):
            picture = out / f"{name.replace('/', '_')}.{width}.{scheme}.png"
            lines = shoot(browser, html / f"{name}.html", picture, scheme, width)
            print(f"{name} ({width}, {scheme})", *lines, sep="\n  ", flush=True)
            count += len(lines)
    return count


def main(arguments: list[str] | None = None) -> int:
    """The command line: `python -m book.tools.runs.screenshot`, from the project's root, after `make book`."""
    parser = argparse.ArgumentParser(description="Photograph the pages of the built book.")
    parser.add_argument("--html", type=Path, default=Path("_build/html"))
    parser.add_argument("--out", type=Path, default=Path("_build/shots"))
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="of the window, in pixels")
    parser.add_argument("--only", action="append", default=[], metavar="PAGE", help="this page, such as book/intro")
    options = parser.parse_args(arguments)
    names = options.only or toc_files(Path("_toc.yml"))
    try:
        return 1 if shoot_all(options.html, options.out, names, options.widths) else 0
    except FileNotFoundError as error:
        print(f"make shots: {error}.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
