"""A figure is shown with words, on any ground, and without the network."""

from __future__ import annotations

import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from clipcompat.common.errors import ConfigError
from clipcompat_book import show as figures


@pytest.fixture
def bundles(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What the book is given to display."""
    shown: list[dict[str, str]] = []
    monkeypatch.setenv("CLIPCOMPAT_BOOK", "1")
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    return shown


def test_in_the_book_a_figure_is_small_html_with_its_alt_text_and_caption(bundles: list[dict[str, str]]) -> None:
    figures.show(go.Figure(go.Bar(y=[1, 2])), alt='Two "bars" & more.', caption="1 < 2")
    (bundle,) = bundles
    page = bundle["text/html"]
    assert 'role="img" aria-label="Two &quot;bars&quot; &amp; more."' in page
    assert "<figcaption>1 &lt; 2</figcaption>" in page
    assert bundle["text/plain"] == 'Two "bars" & more.'
    assert len(page) < 20_000
    assert set(re.findall(r'src=\\?"([^"\\]+)', page)) == {"../_static/vendor/plotly.min.js"}
    assert not re.search(r"cdn|mathjax\.org|require\(", page, re.I)


def test_the_ground_is_transparent_and_the_ink_readable_on_both_themes(bundles: list[dict[str, str]]) -> None:
    figure = go.Figure(go.Bar(y=[1, 2]))
    figures.show(figure, alt="Two bars of different height.")
    assert figures.INK in bundles[0]["text/html"] and "rgba(0, 0, 0, 0)" in bundles[0]["text/html"]
    assert figure.layout.template.layout.paper_bgcolor != "rgba(0, 0, 0, 0)", "the caller's figure is left alone"


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_figure_without_alt_text_is_refused(alt: str) -> None:
    with pytest.raises(ConfigError, match="alt text"):
        figures.show(go.Figure(), alt=alt)


def test_outside_the_book_plotly_shows_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPCOMPAT_BOOK", raising=False)
    shown: list[go.Figure] = []
    monkeypatch.setattr(go.Figure, "show", lambda self: shown.append(self))
    figures.show(go.Figure(), alt="Nothing is drawn here.")
    assert len(shown) == 1


@pytest.mark.parametrize("name", ["OLD", "NEW", "ZERO_SHOT", "BASE_CLASSES", "NEW_CLASSES"])
def test_colours_stand_out_on_light_and_on_dark_ground(name: str) -> None:
    for ground in ("#ffffff", "#121212"):
        assert _contrast(getattr(figures, name), ground) >= 3, f"{name} on {ground}"


def test_the_style_sheet_recolours_exactly_the_default_ink(project: Path) -> None:
    red, green, blue = (int(figures.INK[i : i + 2], 16) for i in (1, 3, 5))
    assert f"fill: rgb({red}, {green}, {blue})" in (project / "book" / "assets" / "book.css").read_text()


def _contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21; graphics need 3."""
    low, high = sorted(_luminance(colour) + 0.05 for colour in (one, other))
    return high / low


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
