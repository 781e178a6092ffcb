"""A figure is shown with words, on any ground, and without the network."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
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


def test_where_scripts_do_not_run_the_words_and_numbers_of_a_figure_stand_in_its_place(bundles) -> None:
    figures.show(go.Figure(go.Bar(x=["old", "new"], y=[71.2, -3])), alt="Two bars.", caption="New is lower.")
    page = bundles[0]["text/html"]
    place = page.partition("<noscript>")[2].partition("</noscript>")[0]
    assert "Two bars." in place and "<td>71.2" in place and "<td>−3" in place
    assert page.index("</noscript>") < page.index("<figcaption>")


def test_no_text_of_a_figure_can_end_its_script(bundles) -> None:
    figures.show(go.Figure(go.Bar(x=["</script><b>mini/tints</b>"], y=[1])), alt="A bar with a strange name.")
    script = bundles[0]["text/html"].partition("<noscript>")[0]
    assert script.count("</script>") == 2 and "\\u003c/script>\\u003cb>mini/tints" in script


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


@pytest.mark.parametrize("vision", ["full", "protanopia", "deuteranopia", "tritanopia"])
def test_colours_of_one_figure_stay_apart_with_every_colour_blindness(vision: str) -> None:
    kinds = {name: getattr(figures, name) for name in ("OLD", "NEW", "ZERO_SHOT", "BASE_CLASSES", "NEW_CLASSES")}
    for palette in (figures.METHOD_COLOURS, kinds):
        seen = {name: _lab(_VISIONS[vision] @ _linear(colour)) for name, colour in palette.items()}
        for one, other in itertools.combinations(seen, 2):
            assert np.linalg.norm(seen[one] - seen[other]) > 11, f"{one} and {other}"


def test_the_style_sheet_recolours_exactly_the_default_ink(project: Path) -> None:
    red, green, blue = (int(figures.INK[i : i + 2], 16) for i in (1, 3, 5))
    assert f"fill: rgb({red}, {green}, {blue})" in (project / "book" / "assets" / "book.css").read_text()


def _contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21; graphics need 3."""
    low, high = sorted(_luminance(colour) + 0.05 for colour in (one, other))
    return high / low


def _luminance(colour: str) -> float:
    return float(_TO_XYZ[1] @ _linear(colour))


def _linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65); two colours 2.3 apart are just told apart side by side."""
    white = _TO_XYZ @ np.ones(3)
    x, y, z = np.cbrt(_TO_XYZ @ np.clip(linear, 0, 1) / white)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
# Of linear RGB, at full severity: Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009.
_VISIONS = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
