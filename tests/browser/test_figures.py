"""Figures come early, show what their notebooks computed, and are read on light and dark ground and without scripts."""

from __future__ import annotations

import base64
import json
import math
import re

import numpy as np
import pytest

from book.tools.notebook import read_notebook
from clipcompat_book.words import indexed

pytestmark = pytest.mark.browser

HIGH = 720  # pixels that a browser leaves of a laptop's screen
FIGURE = "figure.clipcompat-figure, figure img, #live-upgrade .live-table"


def test_the_first_figure_is_in_sight_without_scrolling_and_behind_one_folded_bar_at_most(laptop):
    laptop.evaluate("scrollTo(0, 0)")
    found = laptop.evaluate(f"""() => {{
        const first = document.querySelector('.bd-article :is({FIGURE})');
        if (!first) return null;
        const before = (x) => first.compareDocumentPosition(x) & Node.DOCUMENT_POSITION_PRECEDING && !x.contains(first);
        const bars = [...document.querySelectorAll('.bd-article :is(details, .toggle-button)')].filter(before);
        return [first.getBoundingClientRect().top, bars.length];
    }}""")
    assert found or "/notebooks/" not in laptop.url
    if found:
        top, bars = found
        assert 0 < top < HIGH and bars <= 1


def test_the_page_is_dark_and_its_text_and_the_text_of_its_figures_can_be_read(dark):
    assert dark.evaluate("document.documentElement.dataset.theme") == "dark"
    assert contrasts(dark) == []


def test_on_light_ground_text_and_the_text_of_figures_can_be_read(laptop):
    assert laptop.evaluate("document.documentElement.dataset.theme") == "light"
    assert contrasts(laptop) == []


def contrasts(page) -> list:
    """Texts of the page and of axes with less than 4.5, the contrast that WCAG asks of text."""
    return page.evaluate("""() => {
        const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const over = ([r, g, b, a = 1], below) => [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
        const white = [255, 255, 255];
        const ground = (x) => x ? over(numbers(getComputedStyle(x).backgroundColor), ground(x.parentElement)) : white;
        const linear = (c) => c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
        const light = (rgb) => {
            const [r, g, b] = rgb.map(linear);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
        };
        const ratio = (x) => {
            const style = getComputedStyle(x), below = ground(x.closest('div, p, li, td'));
            const ink = light(over(numbers(x.closest('svg') ? style.fill : style.color), below));
            return Math.max(ink, light(below)) / Math.min(ink, light(below));
        };
        const texts = document.querySelectorAll(
            '.bd-article :is(section, .citation) > p, .js-plotly-plot :is(.xtick, .ytick, .g-xtitle, .g-ytitle) text');
        const low = [...texts].filter((x) => ratio(x) < 4.5).map((x) => [x.textContent.slice(0, 40), ratio(x)]);
        return texts.length ? low : ['no text was found'];
    }""")


def test_on_a_phone_a_legend_has_no_scroll_bar_of_its_own(phone):
    heights = "() => [...document.querySelectorAll('.legend .scrollbar')].map((x) => x.getBoundingClientRect().height)"
    assert not any(phone.evaluate(heights))


def test_every_figure_has_the_numbers_that_its_notebook_computed(laptop, name, html):
    """The download beside the page is the executed notebook. tests/book_package has its numbers against the records."""
    computed = executed_figures(html, name)
    drawn = laptop.evaluate("""() => [...document.querySelectorAll('.js-plotly-plot')].map((plot) => [
        JSON.stringify(plot.data), JSON.stringify(plot._fullData.map((t) =>
            t.visible !== true ? null : {
                x: Array.from(t.x ?? []), y: Array.from(t.y ?? []), z: Array.from(t.z ?? [], (row) => Array.from(row)),
            }))])""")
    assert len(drawn) == len(computed)
    for (given, shown), traces in zip(drawn, computed, strict=True):
        assert [told(trace) for trace in json.loads(given)] == [told(trace) for trace in traces]
        for at, trace in zip(json.loads(shown), traces, strict=True):
            if at is not None:
                for axis in ("x", "y"):
                    assert same(at[axis], plain(trace.get(axis))), (trace.get("name"), axis)
                assert np.allclose(np.ravel(at["z"]), np.ravel(plain(trace.get("z", []))), atol=1e-9)


def told(trace: dict) -> dict:
    """What a trace tells a reader; of its looks, plotly replaces some names, such as that of a colour scale."""
    parts = {part: trace.get(part) for part in ("type", "name", "visible", "x", "y", "z", "text", "customdata")}
    packed = ("dtype", "bdata", "shape")  # plotly.js adds what it unpacked
    return {n: {k: v.get(k) for k in packed} if isinstance(v, dict) else v for n, v in parts.items()}


def executed_figures(html, name: str) -> list[list[dict]]:
    """The traces of every figure among the outputs of an executed notebook, in order; none of a page without one."""
    path = html / "_sources" / f"{name}.ipynb"
    if not path.is_file():
        return []
    outputs = [output for cell in read_notebook(path).cells for output in cell.get("outputs", [])]
    texts = [output.get("data", {}).get("text/html", "") for output in outputs]
    starts = [(text, found.end()) for text in texts for found in re.finditer(r'Plotly\.newPlot\(\s*"[^"]*",\s*', text)]
    return [json.JSONDecoder().raw_decode(text, start)[0] for text, start in starts]


def plain(values):
    """A list, of plotly's packed arrays too."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return values


def same(drawn: list, given: list | None) -> bool:
    """Equal up to what is left out of a list: plotly fills a missing axis with 0, 1, 2, …, and cuts the longer one."""
    if given is None:
        return drawn in ([], list(range(len(drawn))))
    pairs = list(zip(drawn, given, strict=False))
    numbers = [(a, b) for a, b in pairs if isinstance(b, int | float)]
    return len(drawn) == len(given) and all(
        math.isclose(a, b, abs_tol=1e-9) if (a, b) in numbers else a == b for a, b in pairs
    )


def test_without_scripts_a_figure_is_its_words_and_numbers(visit, chapter):
    page = visit(chapter, width=360, java_script_enabled=False)
    figures = page.evaluate("""() => [...document.querySelectorAll('figure.clipcompat-figure')].map((figure) => {
        const drawing = figure.querySelector('[role=img]'), said = figure.querySelector('noscript');
        return [drawing.ariaLabel, said.textContent, said.checkVisibility(), drawing.checkVisibility(),
            said.querySelectorAll('td').length];
    })""")
    for label, words, said, drawn, _ in figures:
        set_low = re.sub(r"</?sub>", "", indexed(label))  # P_b, without its tags
        assert set_low in words and said and not drawn
    assert sum(cells for *_, cells in figures) > 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
