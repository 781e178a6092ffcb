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

from clipcompat.common.errors import ConfigError
from clipcompat_book import show as figures
from tests.runs.test_tables import run


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


def test_titles_of_two_lines_make_room_before_the_next_row() -> None:
    dots = [Image.new("RGB", (2, 2))] * 4
    one, two = (figures.picture_grid(dots, [title] * 4, columns=2) for title in ("cat", "a\ncat"))
    assert two.layout.height - one.layout.height == 2 * 17
    for fig in (one, two):
        pixels = (fig.layout.height - fig.layout.margin.b) / 2
        title, picture = fig.layout.annotations[0], fig.layout.images[2]
        next_row = (picture.y - picture.sizey / 2) * pixels
        assert title.y * pixels + 15 * (title.text.count("<br>") + 1) < next_row


def test_an_empty_grid_is_a_figure_too() -> None:
    assert not figures.picture_grid([], []).layout.images


def test_rows_of_pictures_have_a_name_and_titles_broken_between_words() -> None:
    dot = Image.new("RGB", (2, 2))
    fig = figures.picture_rows({"first": [(dot, "cat"), (dot, "a very long name of a cat")], "second": [(dot, "dog")]})
    texts = [note.text for note in fig.layout.annotations]
    assert texts == ["<b>first</b>", "cat", "a very long<br>name of a cat", "<b>second</b>", "dog"]
    assert [(image.x, int(image.y)) for image in fig.layout.images] == [(0.5, 0), (1.5, 0), (0.5, 1)]
    assert fig.layout.height == 2 * figures.picture_rows({"one": []}).layout.height


def test_upgrade_dots_show_every_seed_and_the_mean_of_retraining() -> None:
    fig = figures.upgrade_dots([run("coop", news=(70.0, 72.0)), run("coop", dataset="dtd"), run("zero_shot")])
    traces = {trace.name: trace for trace in fig.data}
    assert list(traces["new"].x) == [70.0, 72.0, 72.0] and list(traces["old"].x) == [80.0] * 3
    assert list(traces["retrained on new"].x) == [90.0, 90.0]
    assert list(traces["zero-shot old"].x) == [40.0, 40.0] and list(traces["zero-shot new"].x) == [50.0, 50.0]
    assert traces["old"].marker.color == figures.OLD and traces["new"].marker.color == figures.NEW
    assert [round(y) for y in traces["new"].y] == [0, 0, -1], "a row a dataset"
    assert list(traces["new"].customdata) == ["eurosat", "eurosat", "dtd"]


def test_upgrade_dots_have_a_facet_for_every_method_and_one_legend() -> None:
    plain, off = run("contcoop"), run("contcoop", settings={"attention": None})
    fig = figures.upgrade_dots([off, plain, run("coop", dataset="dtd")])
    assert [title.text for title in fig.layout.annotations] == ["CoOp", "ContCoOp", "ContCoOp (Attn off)"]
    assert sum(bool(trace.showlegend) for trace in fig.data) == len({trace.name for trace in fig.data}) == 5
    assert list(fig.layout.yaxis.ticktext) == ["eurosat", "dtd"] and fig.layout.yaxis.range[1] > 0
    assert len({axis.range for axis in fig.select_xaxes()}) == 1, "facets are compared by eye"


def test_eleven_sets_of_two_methods_fit_on_a_screen() -> None:
    many = [run(method, dataset=f"set {k}") for k in range(11) for method in ("coop", "contcoop")]
    assert figures.upgrade_dots(many).layout.height <= 700


def test_the_prefix_that_all_mini_sets_share_is_not_repeated_in_every_row() -> None:
    assert list(figures.upgrade_dots([run("coop", dataset="mini/tints")]).layout.yaxis.ticktext) == ["tints"]


def test_no_records_are_an_empty_figure() -> None:
    assert not [x for trace in figures.upgrade_dots([]).data for x in trace.x]


def test_what_was_not_retrained_has_no_diamond() -> None:
    made = run("coop")
    made.per_seed[0]["retrained"] = None
    (diamonds,) = (t for t in figures.upgrade_dots([made]).data if t.name == "retrained on new")
    assert not diamonds.x


def _decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
