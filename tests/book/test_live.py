"""The files of the live upgrade: what the page computes with is the shipped backbone, rounded, and real plug-ins."""

import base64
import json
import shutil

import pytest
import torch
from safetensors.torch import load, save_file

import clipcompat as cc
from book.tools import live
from book.tools.twin import live_html
from clipcompat.backbones.mini.models import load_mini
from clipcompat.studies.accuracy import accuracy
from clipcompat_book.committed import committed_records

MODELS = ("mini-old", "mini-new")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = shutil.copytree(live.PLUGINS.parent, tmp_path_factory.mktemp("site") / "live")
    live.write_live(path)
    return path


def value(path):
    """What a script assigns."""
    head, _, text = path.read_text().rstrip(";\n").partition(" = ")
    assert head == f'clipcompat.files["{path.stem}"]'
    return json.loads(text)


@pytest.mark.parametrize("name", MODELS)
def test_weights_in_the_page_are_the_rounded_ones_and_less_than_three_megabytes(folder, name):
    content = base64.b64decode(value(folder / f"{name}.js"))
    assert len(content) < 3_000_000
    tensors = load(content)
    for key, tensor in live.restored(name).items():
        scale = tensors.get(f"{key}.scale")
        shown = tensors[key].float() * (1 if scale is None else scale.reshape(-1, *[1] * (tensor.ndim - 1)))
        torch.testing.assert_close(shown, tensor, rtol=0, atol=0)


@pytest.mark.parametrize("name", MODELS)
def test_rounding_changes_features_by_less_than_three_hundredths(name, tmp_path):
    save_file(live.restored(name), tmp_path / "rounded.safetensors")
    shipped, rounded = load_mini(name), load_mini(name, tmp_path / "rounded.safetensors")
    data = cc.load_dataset(live.DATASET, shots=1)
    pixels = torch.stack([shipped.preprocess.test(data.test.images[i]) for i in range(24)])
    a, b = shipped.encode_image(pixels), rounded.encode_image(pixels)
    assert (a - b).norm(dim=-1).max() < 0.03
    a, b = shipped.encode_text(list(data.classnames)), rounded.encode_text(list(data.classnames))
    assert (a - b).norm(dim=-1).max() < 0.03


def test_plugins_are_of_the_shipped_backbones_and_say_how_they_were_made(folder):
    upgrade = cc.load_upgrade("mini", device="cpu")
    for method in live.METHODS:
        for stage, backbone in zip(live.STAGES, (upgrade.old, upgrade.new, upgrade.new), strict=True):
            path = live.PLUGINS / f"{method}-{stage}.safetensors"
            plugin = cc.load_plugin(path)
            assert plugin.method == cc.default_method(method, live.DATASET)
            assert plugin.match(backbone).kind == "exact"
            assert ("repair" in json.dumps(dict(plugin.origin))) == (stage == "repaired")
            assert base64.b64decode(value(folder / "plugins" / f"{method}-{stage}.js")) == path.read_bytes()


def test_accuracies_beside_the_plugins_are_theirs_and_those_of_the_records():
    measured = json.loads(live.ACCURACY.read_text())
    upgrade = cc.load_upgrade("mini", device="cpu")
    data = cc.load_dataset(live.DATASET, shots=16, seed=1)
    for stage, run, backbone in (("old", "carried", upgrade.new), ("repaired", "repaired", upgrade.new)):
        plugin = cc.load_plugin(live.PLUGINS / f"linear_probe-{stage}.safetensors")
        assert accuracy(plugin, backbone, data.test) == pytest.approx(measured["linear_probe"][run], abs=0.06)
    of_table2 = {r.titles.label: r for r in committed_records("compatibility") if _same_upgrade(r)}
    for method, numbers in measured.items():
        seed_one = next(report for report in of_table2[method].reports if report.seed == 1)
        for run, recorded in (("old", seed_one.old), ("carried", seed_one.new), ("retrained", seed_one.retrained)):
            assert numbers[run] == pytest.approx(recorded, abs=0.3)


def _same_upgrade(record):
    own = record.inputs["old_weights"] is None and record.inputs["new_weights"] is None
    return own and record.dataset == live.DATASET and record.titles.upgrade == "mini"


def test_the_world_holds_the_tokenizers_merges_and_the_first_pictures(folder):
    world = value(folder / "world.js")
    backbone = load_mini("mini-old")
    assert [tuple(line.split()) for line in world["merges"]] == list(backbone.tokenizer.bpe_ranks)
    data = cc.load_dataset(live.DATASET, shots=1)
    assert world["names"] == list(data.classnames) and world["template"] == data.test.template
    assert [p["label"] for p in world["pictures"]] == data.test.labels[: len(world["pictures"])].tolist()


def test_without_scripts_the_page_has_the_answers_and_no_offer():
    text = live_html()
    before_scripts = text.partition("<template>")[0]
    assert before_scripts.count("✓") + before_scripts.count("✗") == 24
    assert 'data-part="offer" hidden' in before_scripts
    for numbers in json.loads(live.ACCURACY.read_text()).values():
        assert all(f"{value:.1f} %" in before_scripts for value in numbers.values())
