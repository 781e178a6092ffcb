"""Every page works from disk with the network off, on a laptop and on a phone."""

import json
import math

import numpy as np
import pytest

from clipcompat_book.chapters.compatibility import charts, controls, explorer
from clipcompat_book.committed import committed_records

pytestmark = pytest.mark.browser


def test_a_page_opens_without_an_error_and_draws_every_figure(laptop):
    page = laptop
    drawn = page.evaluate("""() => [...document.querySelectorAll('.js-plotly-plot')].map(
        (figure) => [figure.data.length, figure.querySelectorAll('svg.main-svg').length])""")
    figures = page.locator("figure.clipcompat-figure").count()
    assert len(drawn) == figures and all(traces and svg for traces, svg in drawn)
    formulas = page.locator(".math").count()
    assert page.locator("mjx-container").count() >= formulas


def test_a_page_is_no_wider_than_a_phone(phone):
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_a_phone_no_label_of_a_figure_is_cut_or_meets_another(phone):
    labels = """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap((plot, figure) => {
        const frame = plot.getBoundingClientRect();
        const texts = [...plot.querySelectorAll(
            ':is(.xtick, .ytick, [class*="g-x"], [class*="g-y"], .annotation-text) text, text.legendtext')];
        const boxes = [...new Set(texts)].map((text) => [text.textContent, text.getBoundingClientRect()]);
        const outside = boxes.filter(([, box]) => box.left < frame.left - 2 || box.right > frame.right + 2);
        const both = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 4
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 8;
        const pairs = boxes.flatMap(([a, box], at) =>
            boxes.slice(at + 1).filter(([, other]) => both(box, other)).map(([b]) => [figure, a, b]));
        return [...outside.map(([text]) => [figure, 'cut', text]), ...pairs];
    })"""
    assert phone.evaluate(labels) == []


def test_long_lines_of_code_wrap_and_no_frame_of_code_is_scrolled(phone):
    wide = """() => [...document.querySelectorAll('.bd-article pre')].filter((x) => x.scrollWidth > x.clientWidth + 1)
        .map((x) => x.textContent.slice(0, 60))"""
    assert phone.evaluate(wide) == []


def test_every_figure_has_an_alternative_text(laptop):
    texts = laptop.eval_on_selector_all("figure.clipcompat-figure [role=img]", "all => all.map(x => x.ariaLabel)")
    assert all(text and len(text) > 20 for text in texts)


def test_a_figures_numbers_are_those_of_the_records(visit):
    coop = [r for r in controls.shipped_pair(committed_records("compatibility")) if r.titles.method == "CoOp"]
    expected = json.loads(charts.upgrade_dots(coop).to_json())["data"]
    drawn = visit("notebooks/00_start_here").evaluate("""() => document.querySelector('.js-plotly-plot')._fullData.map(
        (t) => ({x: Array.from(t.x || []), y: Array.from(t.y || [])}))""")
    assert len(drawn) == len(expected)
    for shown, trace in zip(drawn, expected, strict=True):
        for axis in ("x", "y"):
            assert _same(shown[axis], _plain(trace.get(axis, [])))


def _plain(values):
    if isinstance(values, dict):  # plotly's packed arrays
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return values


def _same(a, b):
    if len(a) != len(b):
        return False
    numbers = [(x, y) for x, y in zip(a, b, strict=True) if isinstance(y, int | float)]
    words = [(x, y) for x, y in zip(a, b, strict=True) if not isinstance(y, int | float)]
    return all(math.isclose(x, y, abs_tol=1e-9) for x, y in numbers) and all(x == y for x, y in words)


def test_a_reader_may_choose_a_method_in_a_figure(visit):
    page = visit("notebooks/00_start_here")
    page.get_by_role("combobox", name="Method").first.select_option(label="linear probe")
    records = [r for r in controls.shipped_pair(committed_records("compatibility")) if r.method == "linear_probe"]
    expected = {t.name: list(t.x) for t in charts.upgrade_dots(records).data}
    shown = """() => {
        const figure = [...document.querySelectorAll('.js-plotly-plot')].find((x) => x.layout.updatemenus?.length);
        return figure._fullData.filter((t) => t.visible === true).map((t) => [t.name, Array.from(t.x)]);
    }"""
    page.wait_for_function(f"({shown})().length === {len(expected)}")
    assert dict(page.evaluate(shown)) == {name: pytest.approx(x) for name, x in expected.items()}


def test_every_menu_and_slider_of_a_figure_is_a_control_with_a_label_that_the_keyboard_reaches(laptop):
    page = laptop
    parts = page.evaluate("""() => [...document.querySelectorAll('.clipcompat-figure .js-plotly-plot')].map((x) =>
        (x.layout.updatemenus || []).length + (x.layout.sliders || []).length)""")
    made = page.locator(".figure-controls :is(select, input)")
    assert made.count() == sum(parts)
    for control in made.all():
        assert len(control.evaluate("(x) => x.labels[0].textContent")) > 3
        control.focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        assert control.evaluate("(x) => document.activeElement === x && getComputedStyle(x).outlineWidth") == "3px"


def test_a_slider_moves_by_key_and_tells_what_it_shows(visit):
    page = visit("notebooks/00_start_here")
    figure = page.locator("figure:has(.figure-controls input[type=range])")
    figure.get_by_role("combobox", name="Method").select_option(label="CoOp")
    figure.get_by_role("slider", name="Shots").focus()
    page.keyboard.press("ArrowLeft")
    assert figure.locator("output").text_content() == "8"
    words = "Shown: Method: CoOp, Dataset: textures, Shots: 8."
    assert figure.locator("[role=img]").get_attribute("aria-label").endswith(words)
    seen = """(figure) => {
        const plot = figure.querySelector('.js-plotly-plot'), [left, right] = plot._fullLayout.xaxis.range;
        const [low, high] = plot._fullLayout.yaxis.range;
        const trace = plot._fullData.find((t) => t.visible === true && t.name === 'old');
        const inside = (i) => trace.x[i] >= left && trace.x[i] <= right && trace.y[i] > low && trace.y[i] < high;
        return Array.from(trace.x).filter((_, i) => inside(i)).map((x) => x - left);
    }"""
    lists = [committed_records(name) for name in ("compatibility", "ablations", "attention")]
    expected = [r.old for r in explorer.cells(lists)["CoOp", "mini/textures", 8]]
    page.wait_for_timeout(500)
    assert figure.evaluate(seen) == pytest.approx(expected, abs=0.02)


def test_search_finds_a_word(visit):
    page = visit("search")
    page.goto(page.url + "?q=zero-shot")
    page.locator("#search-results li").first.wait_for()


def test_the_page_turns_dark(visit):
    page = visit("book/intro", color_scheme="light")
    theme = lambda: page.evaluate("document.documentElement.dataset.theme")  # noqa: E731
    assert theme() == "light"
    button = page.locator(".theme-switch-button:visible").first
    for _ in range(3):  # auto, light, dark
        if theme() == "dark":
            break
        button.click()
    assert theme() == "dark"
