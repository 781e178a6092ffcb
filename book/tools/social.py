"""What a link to a page shows where it is shared: title, first paragraph, address and the book's picture."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

PICTURE = "_static/card.png"
_ALT = "CoOp and ContCoOp on eleven datasets: old backbone, carried to new, retrained"
_LONGEST = 200  # characters of a description; what is longer is cut by those who show it
_TITLE = re.compile(r"<title>(.*?)(?: &#8212; [^<]*)?</title>", re.S)
_PARAGRAPH = re.compile(r"<article\b.*?<p\b[^>]*>(.*?)</p>", re.S)
_CITATION = re.compile(r"\s*\[(?:(?:and )?[A-Z][^\][]*,? \d{4}[a-z]?(?:[,;] )?)+\]")


def add_social_tags(folder: Path, names: Iterable[str], base: str) -> None:
    """Write the tags into the head of every page.

    Args:
        folder: of the built pages.
        names: of the pages, relative to it and without suffix.
        base: address of the published book.
    """
    for name in names:
        page = folder / f"{name}.html"
        text = page.read_text(encoding="utf-8")
        tags = social_tags(text, f"{base.rstrip('/')}/", name)
        page.write_text(text.replace("</head>", f"{tags}</head>", 1), encoding="utf-8")


def social_tags(text: str, base: str, name: str) -> str:
    """The tags of one page, from its HTML."""
    title, words = _TITLE.search(text), _PARAGRAPH.search(text)
    described = _plain(words[1]) if words else ""
    values = {
        ("name", "description"): described,
        ("property", "og:type"): "article",
        ("property", "og:title"): _plain(title[1]) if title else "",
        ("property", "og:description"): described,
        ("property", "og:url"): f"{base}{name}.html",
        ("property", "og:image"): f"{base}{PICTURE}",
        ("property", "og:image:alt"): _ALT,
        ("name", "twitter:card"): "summary_large_image",
    }
    pairs = ((kind, key, html.escape(value)) for (kind, key), value in values.items() if value)
    return "".join(f'<meta {kind}="{key}" content="{value}" />\n' for kind, key, value in pairs)


def _plain(text: str) -> str:
    """Words of a piece of HTML in one line, without citations, cut between words."""
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())
    return textwrap.shorten(_CITATION.sub("", words), _LONGEST, placeholder=" …")
