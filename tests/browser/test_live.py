"""The live upgrade of the first page computes what torch computes, and answers."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import clipcompat as cc
from book.tools import live
from clipcompat.backbones.mini.models import load_mini

pytestmark = pytest.mark.browser

PICTURES, CLOSE = 50, 1e-4
WORDS = ("red", "navy blue", "a very_bright GREEN!", "l'été №7", "  two   spaces ", "日本", "x" * 15)


@pytest.fixture
def page(visit):
    page = visit("book/intro")
    assert page.locator("#live-upgrade .live-table").is_visible()
    page.get_by_role("button", name="Try it here").click()
    page.locator("#live-upgrade canvas").wait_for(timeout=120_000)
    page.wait_for_function("document.querySelectorAll('[data-part=answers] tr').length === 6")
    return page


def rounded_backbone(name, folder):
    path = folder / f"{name}.safetensors"
    save_file(live.restored(name), path)
    return load_mini(name, path)


@pytest.mark.parametrize("model", ["mini-old", "mini-new"])
def test_the_towers_compute_what_torch_computes(page, model, tmp_path):
    backbone = rounded_backbone(model, tmp_path)
    data = cc.load_dataset(live.DATASET, shots=1)
    names = [*data.classnames, *cc.load_dataset("mini/fabrics", shots=1).classnames, *WORDS]
    names = [*names, *cc.load_dataset("mini/objects", shots=1).classnames][:50]
    coop = cc.load_plugin(live.PLUGINS / "coop-old.safetensors")
    pictures = [data.test.images[i] for i in range(PICTURES)]
    pixels = torch.stack([backbone.preprocess.test(picture) for picture in pictures])
    expected = {
        "words": backbone.encode_text([data.test.template.replace("{}", n.replace("_", " ")) for n in names]),
        "prompts": coop.class_weights(backbone, names),
        "features": backbone.encode_image(pixels),
        "penultimate": backbone.image_features(pixels, "penultimate"),
    }
    raw = [np.asarray(picture.convert("RGBA")).reshape(-1).tolist() for picture in pictures]
    got = page.evaluate(
        """([model, names, raw]) => {
            const { files, Backbone, readTensors } = clipcompat;
            const backbone = new Backbone(files[model], files.world.merges);
            const plain = backbone.prefix(), tuned = backbone.prefix(readTensors(files["coop-old"]).tensors.ctx);
            const seen = raw.map((pixels) => backbone.imageFeatures(pixels));
            return {
                words: names.map((name) => [...backbone.textFeature(name, files.world.template, plain)]),
                prompts: names.map((name) => [...backbone.textFeature(name, "{}.", tuned)]),
                features: seen.map((x) => [...x.feature]),
                penultimate: seen.map((x) => [...x.penultimate]),
                scale: backbone.scale,
            };
        }""",
        [model, names, raw],
    )
    assert got["scale"] == pytest.approx(float(backbone.logit_scale), rel=1e-5)
    for part, values in expected.items():
        torch.testing.assert_close(torch.tensor(got[part]), values, atol=CLOSE, rtol=0, msg=part)


@pytest.mark.parametrize("kind", live.METHODS)
def test_the_answers_are_those_of_the_plugins(page, kind, tmp_path):
    backbones = {name: rounded_backbone(name, tmp_path) for name in ("mini-old", "mini-new")}
    rows = [("mini-old", "old"), ("mini-new", "old"), ("mini-new", "repaired"), ("mini-new", "retrained")]
    data = cc.load_dataset(live.DATASET, shots=1)
    page.locator("[data-part=plugin]").select_option(kind)
    for index in (0, 5, 23):
        page.locator("[data-part=pictures] button").nth(index).click()
        page.wait_for_function(
            "(name) => document.querySelector('[data-part=said]').textContent.includes(name)",
            arg=data.classnames[int(data.test.labels[index])],
        )
        shown = page.locator("[data-part=answers] tr td:nth-child(2)").all_text_contents()
        for row, (name, stage) in zip((1, 3, 4, 5), rows, strict=True):
            plugin = cc.load_plugin(live.PLUGINS / f"{kind}-{stage}.safetensors")
            tensor = backbones[name].preprocess.test(data.test.images[index])[None]
            features = backbones[name].image_features(tensor, plugin.method.image_features)
            logits = plugin.method.logits(plugin.tensors, backbones[name], features, data.classnames)
            assert shown[row].rstrip(" ✓✗") == data.classnames[int(logits.argmax())]


def test_a_reader_draws_and_renames(page):
    answers = page.locator("[data-part=answers]")
    page.locator("[data-part=colour]").fill("#00a000")
    page.get_by_role("button", name="Fill").click()
    assert "Your own picture" in page.locator("[data-part=said]").text_content()
    before = answers.text_content()
    page.locator("[data-part=colour]").fill("#ff0000")
    canvas = page.locator("#live-upgrade canvas")
    canvas.scroll_into_view_if_needed()  # a mouse reaches nothing that lies below the window
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=20)
    page.mouse.up()
    assert answers.text_content() != before
    for name in page.locator("[data-part=names] input").all():
        name.fill("")
    assert answers.text_content().count("needs a class name") == 6
    page.locator("[data-part=names] input").first.fill("my own word")
    assert answers.text_content().count("my own word") == 6  # one class is left to choose
    page.get_by_role("button", name="Reset").click()
    assert "my own word" not in answers.text_content()


def test_the_page_tells_how_long_an_answer_took(page):
    """How long it may take is measured by `python -m benchmarks.live`; here only that a reader is told."""
    assert re.fullmatch(r"answered in \d+ ms", page.locator("[data-part=time]").text_content())


def test_without_scripts_the_answers_stand_and_nothing_is_offered(visit):
    page = visit("book/intro", java_script_enabled=False)
    assert page.locator(".live-table").is_visible()
    assert not page.get_by_role("button", name="Try it here").is_visible()


def test_every_control_shows_when_the_keyboard_is_on_it(visit):
    page = visit("book/intro")
    outline = "() => getComputedStyle(document.activeElement).outlineWidth"
    offer = page.get_by_role("button", name="Try it here")
    offer.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(outline) == "3px"
    page.keyboard.press("Enter")
    page.locator("#live-upgrade canvas").wait_for(timeout=120_000)
    page.wait_for_function("document.querySelectorAll('[data-part=answers] tr').length === 6")
    controls = page.locator("#live-upgrade :is(select, button, input):visible")
    assert controls.count() > 15
    for control in controls.all():
        control.focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate(outline) == "3px", control.evaluate("(x) => x.outerHTML")
