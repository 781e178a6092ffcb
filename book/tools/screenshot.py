"""Photograph built pages with a headless Chromium, light and dark, and repeat what its console said.

A help for authors, not a part of the build: `make shots`, then look into `_build/shots`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from book.tools.notebook import toc_files

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# What the page is told about its reader: Blink's numbers for prefers-color-scheme.
_SCHEMES = {"light": 1, "dark": 0}
# What the theme's own scripts log on every page.
_CHATTER = ("[PST]: Changed to auto mode", "[togglebutton]: Adding toggle buttons")


def shoot(browser: str, page: Path, picture: Path, scheme: str, size: str) -> list[str]:
    """Write `picture` of `page`; the console's errors and warnings."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += [f"--user-data-dir={profile}", f"--window-size={size}", "--virtual-time-budget=8000"]
        command += [f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}", "--enable-logging=stderr", "--v=0"]
        command += [f"--screenshot={picture}", page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    said = [line.split("CONSOLE", 1)[1] for line in done.stderr.splitlines() if "CONSOLE" in line]
    return [line for line in said if not any(chatter in line for chatter in _CHATTER)]


def main(arguments: list[str] | None = None) -> int:
    """The command line: `python -m book.tools.screenshot`, from the project's root, after `make book`."""
    parser = argparse.ArgumentParser(description="Photograph the pages of the built book.")
    parser.add_argument("--html", type=Path, default=Path("_build/html"))
    parser.add_argument("--out", type=Path, default=Path("_build/shots"))
    parser.add_argument("--size", default="1200,1600")
    options = parser.parse_args(arguments)
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print("make shots needs Chromium or Chrome on the PATH.", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    said = 0
    for name in toc_files(Path("_toc.yml")):
        for scheme in _SCHEMES:
            picture = (options.out / f"{name.replace('/', '_')}.{scheme}.png").resolve()
            lines = shoot(browser, options.html / f"{name}.html", picture, scheme, options.size)
            print(f"{name} ({scheme})", *lines, sep="\n  ")
            said += len(lines)
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
