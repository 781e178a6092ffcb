"""Is the built book whole and self-contained? Every page must work with the network off, for every reader."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from book.tools.notebook import ERROR_TAG, MINUS, WIDGET_MIMES

_LOADED_LINKS = {"stylesheet", "preload", "prefetch", "modulepreload", "icon", "preconnect", "dns-prefetch", "manifest"}
_SOURCES = {"script", "img", "iframe", "embed", "source", "video", "audio", "track", "input"}
_EXTERNAL = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
# Addresses of things that run or draw, inside scripts and styles; an address that is only text is fine.
_CODE_ADDRESS = re.compile(r"https?://[^\s\"'<>)]+\.(?:m?js|css|woff2?|ttf|json)\b", re.IGNORECASE)
_CSS_ADDRESS = re.compile(r"(?:@import\s+|url\()\s*(?:url\()?[\"']?([^\"')\s;]+)", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_WRITTEN_SCRIPT = re.compile(r"<script src=\\?\"([^\"\\]+)")
_MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:root|home|Users|tmp|work|opt|mnt|private/var)/[\w.-]+|site-packages/")
_HYPHEN = re.compile(rf".{{0,20}}{MINUS}.{{0,10}}")
_UNREAD = re.compile(r"(?:```|:::)\{[a-z]+\}.{0,40}")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_NO_PROSE, _NO_PROSE_CLASSES = {"script", "style", "pre", "code", "svg", "title"}, {"math", "sig"}
_HEAVY = 500_000  # bytes of a page, before the scripts and styles that all pages share
_FILE_NAME = re.compile(r"[\w./-]+\.(?:png|jpe?g|svg|gif|webp)")


class _Page(HTMLParser):
    """Collects what a page loads, and what is missing from it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.loads: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.code: list[str] = []
        self.problems: list[str] = []
        self._inside = ""
        self._depth = 0  # of elements inside the outermost one that holds no prose

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._inside = tag if tag in ("script", "style") else ""
        no_prose = tag in _NO_PROSE or _NO_PROSE_CLASSES & set(values.get("class", "").split())
        if tag not in _VOID and (self._depth or no_prose):
            self._depth += 1
        if tag == "link" and _LOADED_LINKS & set(values.get("rel", "").lower().split()):
            self.loads.append((tag, values.get("href", "")))
        if tag in _SOURCES:
            self.loads += [(tag, values[name]) for name in ("src", "poster") if values.get(name)]
            self.loads += [(tag, part.split()[0]) for part in values.get("srcset", "").split(",") if part.strip()]
        if tag == "object":
            self.loads.append((tag, values.get("data", "")))
        if tag == "a":
            self.links.append(values.get("href", ""))
        if "style" in values:
            self.code.append(values["style"])
        alt = values.get("alt", "").strip()
        if tag == "img" and (not alt or _FILE_NAME.fullmatch(alt)):
            self.problems.append(f"an image has no alt text: {values.get('src', '')[:80]}")
        if values.get("type") in WIDGET_MIMES:
            self.problems.append("the page carries widget state, which nothing can draw without a kernel or a CDN")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
        self._depth = max(0, self._depth - 1)

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.problems += [f"a hyphen stands for a minus sign: {found}" for found in _HYPHEN.findall(data)]
        if self._inside:
            self.code.append(data)
        else:
            self.problems += [f"a directive was not read: {found}" for found in _UNREAD.findall(data)]


def check_book(html: Path, notebooks: Iterable[str] = (), colab: str = "", private: Sequence[str] = ()) -> list[str]:
    """What is wrong with the book in folder `html`, one sentence per finding; empty if nothing is.

    Args:
        html: the folder with index.html.
        notebooks: pages (relative, without suffix) made from notebooks; each must offer itself to Colab.
        colab: what a page's Colab link starts with; the notebook's path follows.
        private: texts that no page may hold, such as the path of this clone.
    """
    problems = []
    if not (html / "index.html").is_file():
        problems.append("index.html is missing")
    for path in sorted(html.rglob("*.html")):
        if "_static" not in path.relative_to(html).parts:
            problems += [f"{path.relative_to(html)}: {problem}" for problem in _check_page(path, html, private)]
    for path in sorted(html.rglob("*.css")):
        text = _CSS_COMMENT.sub("", path.read_text(encoding="utf-8"))
        problems += [f"{path.relative_to(html)}: {problem}" for problem in _check_style(text, path, html)]
    for path in sorted((html / "_sources").rglob("*")):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            problems += [f"{path.relative_to(html)}: {problem}" for problem in _private(text, private)]
    for name in notebooks:
        page = html / f"{name}.html"
        if not page.is_file():
            problems.append(f"{name}.html is missing, although the table of contents names it")
        elif f'"{colab}{name}.ipynb"' not in page.read_text(encoding="utf-8"):
            problems.append(f"{name}.html: no link to {colab}{name}.ipynb")
    return problems


def _check_page(path: Path, html: Path, private: Sequence[str]) -> list[str]:
    text = path.read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    problems = list(page.problems)
    if (weight := path.stat().st_size) > _HEAVY:
        problems.append(f"the page weighs {weight:,} bytes, and {_HEAVY:,} are allowed")
    for tag, address in page.loads:
        problems += _check_address(f"<{tag}>", address, path, html)
    for code in page.code:
        problems += [f"a script or style names {address}" for address in _CODE_ADDRESS.findall(code)]
        problems += _check_style(code, path, html) if "url(" in code or "@import" in code else []
        for address in _WRITTEN_SCRIPT.findall(code):
            problems += _check_address("a written <script>", address, path, html)
    for address in page.links:
        local = not _EXTERNAL.match(address) and not urlsplit(address).scheme
        problems += _check_address("<a>", address, path, html) if local else []
    if "Plotly.newPlot" in text and "plotly.min.js" not in text:
        problems.append("a plotly figure, but nothing loads plotly.min.js: draw it with clipcompat_book.show.show")
    if ERROR_TAG in text or "Traceback (most recent call last)" in text or "output traceback" in text:
        problems.append("the page shows an error of its notebook")
    return problems + _private(text, private)


def _check_address(what: str, address: str, path: Path, html: Path) -> list[str]:
    """A thing that is loaded must lie inside the book."""
    address = address.strip()
    if not address or address.startswith(("#", "data:")):
        return []
    if _EXTERNAL.match(address) or urlsplit(address).scheme:
        return [f"{what} loads {address}"]
    target = (path.parent / unquote(urlsplit(address).path)).resolve()
    if not target.is_relative_to(html.resolve()):
        return [f"{what} points outside the book: {address}"]
    return [] if target.exists() else [f"{what} points to a missing file: {address}"]


def _check_style(text: str, path: Path, html: Path) -> list[str]:
    addresses = _CSS_ADDRESS.findall(text)
    return [problem for address in addresses for problem in _check_address("a style", address, path, html)]


def _private(text: str, private: Sequence[str]) -> list[str]:
    paths = {match.group() for match in _MACHINE_PATH.finditer(text)} | {word for word in private if word in text}
    return [f"a path of the machine that built it: {word}" for word in sorted(paths)]
