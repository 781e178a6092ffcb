"""The report of an audit is one file: it opens from disk without a network, on a phone, in the dark and by keyboard."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import clipcompat as cc
from book.tools.runs.screenshot import SCHEMES, WIDTHS
from clipcompat.cli import main
from clipcompat.training.recipe import Recipe

pytestmark = pytest.mark.browser

LONG = "a_plug-in_whose_file_has_a_very_long_name_without_any_blank_in_it.safetensors"
LAPTOP, PHONE = WIDTHS


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of a report, made by the command line: kept, to be worked on, of another backbone, and damaged."""
    folder = tmp_path_factory.mktemp("audit")
    old, data = cc.load_backbone("mini-old", device="cpu"), cc.load_dataset("mini/textures", shots=4)
    prompt = cc.CoOp(n_ctx=4, recipe=Recipe(epochs=1, batch_size=8))
    cc.fit(cc.LinearProbe(c=1.0), old, data, progress=False).save(folder / LONG)
    cc.fit(prompt, old, data, views=1, progress=False).save(folder / "prompt.safetensors")
    kept = cc.fit(cc.ZeroShot(), old, data)
    kept.save(folder / "kept.safetensors")
    elsewhere = {"name": "mini-large-old", "stamp": "0" * 16}
    replace(kept, origin={**kept.origin, "backbone": elsewhere}).save(folder / "elsewhere.safetensors")
    (folder / "damaged.safetensors").write_bytes(b"no")
    names = (LONG, "prompt.safetensors", "kept.safetensors", "elsewhere.safetensors", "damaged.safetensors")
    plugins = [str(folder / name) for name in names]
    outs = ["--html", str(folder / "audit.html"), "--json", str(folder / "audit.json")]
    upgrade = ["--old", "mini-old", "--new", "mini-new", "--device", "cpu", "--dataset", "mini/textures"]
    assert main(["audit", *plugins, *upgrade, *outs]) == 1  # one is damaged
    return folder


@pytest.fixture
def said(html):
    return json.loads((html / "audit.json").read_text())["plugins"]


def test_it_loads_nothing_and_shows_the_verdict_of_every_plugin(visit, said):
    page = visit("audit")  # which fails for whatever the console says and for every address but the file's
    assert page.evaluate("performance.getEntriesByType('resource').map((x) => x.name)") == []
    assert page.locator("script, link, img, iframe").count() == 0
    parts = page.locator("details")
    assert parts.count() == len(said) == 5
    verdicts = [plugin["verdict"] or "error" for plugin in said]
    assert "keep" in verdicts and verdicts[-2:] == ["error", "error"] and len(set(verdicts)) >= 3
    for at, (plugin, verdict) in enumerate(zip(said, verdicts, strict=True)):
        badge = parts.nth(at).locator("summary .v")
        assert badge.is_visible() and badge.inner_text() == verdict
        assert parts.nth(at).locator("summary").inner_text() == f"{verdict} {plugin['name']}"
        cells = page.locator(".summary tbody tr").nth(at).locator("td")
        assert [cells.nth(i).inner_text() for i in (0, 2)] == [plugin["name"], verdict]


def test_what_needs_work_is_unfolded_with_its_reasons_and_what_is_kept_is_not(visit, said):
    page = visit("audit")
    for at, plugin in enumerate(said):
        part = page.locator("details").nth(at)
        assert part.evaluate("(x) => x.open") == (plugin["verdict"] != "keep")
        for why in [*plugin["reasons"], *filter(None, [plugin["error"]])]:
            assert why in part.text_content()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_table_is_wider_than_the_window_and_every_text_can_be_read(visit, width, scheme):
    page = visit("audit", width=width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((x) => { x.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = """() => [...document.querySelectorAll('table, p, summary, dl')].filter((x) => {
        const box = x.getBoundingClientRect();
        return box.left < 0 || box.right > innerWidth || x.scrollWidth > x.clientWidth + 1;
    }).map((x) => x.textContent.slice(0, 60))"""
    assert page.evaluate(cut) == []
    dark = page.evaluate(f"{_LIGHT}; light(of('Canvas')) < 0.2")
    assert dark == (scheme == "dark")
    assert page.evaluate(_UNREADABLE) == []


def test_on_a_phone_the_numbers_that_the_summary_leaves_out_are_in_the_parts(visit, said):
    page = visit("audit", width=PHONE)
    shown = page.locator(".summary th:visible")
    assert [shown.nth(i).inner_text() for i in range(shown.count())] == ["plug-in", "verdict", "on new, %"]
    probe = page.locator("details").first.locator("dl").inner_text()
    assert f"{said[0]['zero_shot']:.1f}" in probe and f"{said[0]['negative_flips']:.1f}" in probe
    assert visit("audit").locator(".summary th:visible").count() == 9


def test_the_keyboard_reaches_every_part_and_opens_and_folds_it(visit, said):
    page = visit("audit")
    for at, plugin in enumerate(said):
        page.keyboard.press("Tab")
        part = page.locator("details").nth(at)
        assert part.evaluate("(x) => document.activeElement === x.querySelector('summary')"), plugin["name"]
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 1
        before = part.evaluate("(x) => x.open")
        page.keyboard.press("Enter")
        assert part.evaluate("(x) => x.open") != before
        page.keyboard.press("Space")
        assert part.evaluate("(x) => x.open") == before


_LIGHT = """
const of = (colour) => {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = colour;
    const found = getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number);
    probe.remove();
    return found;
};
const linear = (c) => c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
"""
_UNREADABLE = f"""() => {{
    {_LIGHT};
    const canvas = of('Canvas');
    const ground = (x) => {{
        if (!x) return canvas;
        const [r, g, b, a = 1] = getComputedStyle(x).backgroundColor.match(/[\\d.]+/g).map(Number);
        return a === 1 ? [r, g, b] : a === 0 ? ground(x.parentElement) : [0, 0, 0];
    }};
    const ratio = (x) => {{
        const [one, other] = [light(of(getComputedStyle(x).color)), light(ground(x))].sort((a, b) => b - a);
        return (one + 0.05) / (other + 0.05);
    }};
    const own = (x) => [...x.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    return [...document.querySelectorAll('main *')].filter((x) => own(x) && ratio(x) < 4.5)
        .map((x) => [x.textContent.slice(0, 40), ratio(x)]);
}}"""
"""Texts with less than 4.5, the contrast that WCAG asks of text; on a half-transparent ground, those that are dark."""
