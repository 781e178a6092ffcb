"""A figure is shown with words, on any ground, and without the network."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from clipcompat import figures
from clipcompat.errors import ConfigError
from tests.test_tables import run


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


def test_small_pictures_are_enlarged_without_smoothing_and_large_ones_made_small() -> None:
    dots = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20)
    photo = Image.new("L", (400, 200), 7)
    fig = figures.picture_grid([dots, photo], ["two by two", "grey"], columns=1)
    first, second = (_decoded(image.source) for image in fig.layout.images)
    assert first.size == (128, 128) and first.resize((2, 2), Image.Resampling.NEAREST).tobytes() == dots.tobytes()
    assert second.size == (128, 64) and second.mode == "RGB"
    assert photo.size == (400, 200), "the caller's picture is left alone"
    assert list(fig.data[0].hovertext) == ["two by two", "grey"]


def test_an_empty_grid_is_a_figure_too() -> None:
    assert not figures.picture_grid([], []).layout.images


def test_upgrade_dots_show_every_seed_and_the_mean_of_retraining() -> None:
    both = [run("coop", news=(70.0, 72.0)), run("contcoop", settings={"attention": None}), run("contcoop")]
    fig = figures.upgrade_dots([*both, run("zero_shot")])
    traces = {trace.name: trace for trace in fig.data}
    assert list(traces["new"].x) == [70.0, 72.0, 72.0, 72.0] and len(traces["old"].x) == 4
    assert list(traces["retrained on new"].x) == [90.0, 90.0, 90.0]
    assert set(traces["zero-shot old"].x) == {40.0} and set(traces["zero-shot new"].x) == {50.0}
    assert traces["old"].marker.color == figures.OLD and traces["new"].marker.color == figures.NEW
    assert list(fig.layout.yaxis.ticktext)[::-1] == ["CoOp", "ContCoOp", "ContCoOp (Attn off)"]


def test_upgrade_dots_have_a_facet_for_every_dataset_and_one_legend() -> None:
    fig = figures.upgrade_dots([run("coop"), run("coop", dataset="dtd")])
    assert {title.text for title in fig.layout.annotations} == {"eurosat", "dtd"}
    assert sum(bool(trace.showlegend) for trace in fig.data) == len({trace.name for trace in fig.data}) == 5


def test_what_was_not_retrained_has_no_diamond() -> None:
    made = run("coop")
    made["per_seed"][0]["retrained"] = None
    (diamonds,) = (t for t in figures.upgrade_dots([made]).data if t.name == "retrained on new")
    assert not diamonds.x


def _decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
