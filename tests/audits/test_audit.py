"""An audit measures what a report of compatibility measures, and no plug-in stops the others."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from clipcompat.audits.audit import audit
from clipcompat.audits.predictor import TOLD, UNTOLD
from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.upgrade import Upgrade, load_upgrade
from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.custom.loose import loose_pictures
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.studies.compatibility import compatibility
from clipcompat.training.recipe import Recipe
from tests.toys import NAMES, toy_dataset, toy_split

SHORT = Recipe(epochs=2, batch_size=4, lr=0.05, warmup_epochs=0)


@pytest.fixture(scope="module")
def upgrade(mini_old, mini_new):
    return Upgrade(mini_old, mini_new, "mini")


@pytest.fixture(scope="module")
def plugins(upgrade):
    data = toy_dataset(8)
    prompt = fit(CoOp(n_ctx=2, recipe=SHORT), upgrade.old, data, views=1)
    closed = (fit(method, upgrade.old, data) for method in (LinearProbe(c=1.0), TipAdapter(search=False), ZeroShot()))
    return (prompt, *closed)


@pytest.fixture(scope="module")
def measured(plugins, upgrade):
    return audit(plugins, upgrade, toy_dataset(8), progress=False)


def narrow(plugin):
    """The same probe of a backbone with half as many features."""
    return replace(plugin, tensors={**plugin.tensors, "weight": plugin.tensors["weight"][:, ::2].contiguous()})


def test_what_is_measured_is_what_a_report_of_compatibility_measures(plugins, measured, upgrade):
    for plugin, found in zip(plugins, measured, strict=True):
        report = compatibility(plugin, upgrade, toy_dataset(8), retrained=False, progress=False)
        assert found.error is None and found.evidence == "measured" and found.pictures == 15
        assert (found.old, found.expected, found.zero_shot, found.negative_flips) == pytest.approx(
            (report.old, report.new, report.zs_new, report.negative_flips)
        )
        low, high = found.interval
        assert low <= found.expected <= high


def test_pictures_are_encoded_once_for_all_plugins(plugins, upgrade):
    data = toy_dataset(8)
    unseen = replace(data.test, images=replace(data.test.images, fingerprint="not seen by any other test"))
    audit([*plugins, *plugins], upgrade.new, unseen, progress=False)
    kinds = len({plugin.method.image_features for plugin in plugins})  # projected and penultimate
    assert sorted(data.test.images.opened) == sorted(kinds * list(range(15)))


def test_labels_are_matched_by_name_and_pictures_of_other_classes_are_left_out(plugins, measured, upgrade):
    data = toy_dataset(8)
    named = [name.replace(" ", "_").upper() for name in NAMES]
    turned = replace(data.test, classnames=(*reversed(named), "okapi"), labels=2 - data.test.labels)
    found = audit(plugins[0], upgrade.new, turned, progress=False)[0]
    assert found.expected == pytest.approx(measured[0].expected) and found.pictures == 15
    labels = torch.where(data.test.labels == 0, 3, 2 - data.test.labels)  # the foxes are okapis now
    found = audit(plugins[0], upgrade.new, replace(turned, labels=labels), progress=False)[0]
    assert found.pictures == 10 and "5 pictures are of classes that it does not know" in " ".join(found.reasons)


def test_one_bad_plugin_gets_a_row_with_its_error_and_does_not_stop_the_others(plugins, upgrade, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not a plug-in")
    good = plugins[0].save(tmp_path / "good.safetensors")
    others = replace(plugins[0], origin={**plugins[0].origin, "classnames": ["okapi", "tapir", "ibex"]})
    elsewhere = replace(plugins[0], origin={**plugins[0].origin, "backbone": {"name": "ViT-B-32", "stamp": "0"}})
    wrong = audit([tmp_path / "bad.safetensors", tmp_path / "absent.safetensors", others, elsewhere, good], upgrade,
                  toy_dataset(8), progress=False)  # fmt: skip
    errors = [plugin.error for plugin in wrong]
    assert "not a whole safetensors file" in errors[0] and "absent.safetensors" in errors[1]
    assert "no picture is of one of them" in errors[2] and "it was tuned on ViT-B-32" in errors[3]
    assert errors[4] is None and wrong[4].verdict and wrong.exit_code == 1 and wrong.verdict is None


def test_a_plugin_of_another_width_is_repaired_by_a_map_or_trained_again(plugins, upgrade):
    probe = narrow(plugins[1])
    alone = audit(probe, upgrade.new, toy_dataset(8).test, progress=False)[0]
    assert (
        alone.verdict == "retrain" and "weight" in alone.error and alone.error.endswith("(on the command line: --old).")
    )
    for backbones in (upgrade, upgrade.new):
        blind = audit(probe, backbones)[0]
        assert blind.verdict == "repair" and blind.error is None and "cannot act on" in blind.reasons[0]


@pytest.mark.parametrize("many", [True, False])
def test_a_plugin_of_another_width_is_an_error_unless_its_map_is_enough(many, mini_new):
    """With pictures of all classes a map is enough; of one class, what is turned is noise."""
    upgrade, data = (
        Upgrade(load_backbone("mini-large-old", "random:1", device="cpu", dtype="float32"), mini_new),
        wide(),
    )
    plugin = fit(LinearProbe(c=1.0), upgrade.old, data)
    pool = data.unlabelled if many else data.unlabelled.select(list(range(16)))
    report = audit(plugin, upgrade, replace(data, unlabelled=pool), progress=False)
    (found,) = report
    assert found.verdict == ("repair" if many else "retrain") and found.old > found.zero_shot + 20
    assert report.exit_code == (3 if many else 1) and found.expected is None
    assert "Carried, it cannot act on new;" in found.reasons[0] and found.reasons[0] in str(report)
    if many:
        assert found.error is None and "tensor weight should be [3, " in found.reasons[-1]
    else:
        assert "tensor weight should be [3, " in found.error and found.error.endswith("Tune it again there.")


def wide():
    """A dataset with a pool of 16 pictures of each class."""
    return toy_dataset(16)


def test_a_prompt_of_another_width_is_an_error_that_says_what_to_do(mini_new):
    old = load_backbone("mini-large-old", "random:1", device="cpu", dtype="float32")
    plugin = fit(CoOp(n_ctx=2, recipe=SHORT), old, toy_dataset(8), views=1)
    for data in (None, toy_dataset(8)):
        (found,) = audit(plugin, Upgrade(old, mini_new), data, progress=False)
        assert found.verdict == "retrain" and found.error.endswith("has 128. Tune it again there.")
    (lost,) = audit(plugin, Upgrade(load_backbone("mini-old", "random:1", device="cpu", dtype="float32"), mini_new))
    assert lost.verdict is None and lost.error.endswith("(on the command line: --old mini-large-old).")


def test_without_pictures_only_structure_and_stamps_are_compared_and_it_says_so(plugins, upgrade):
    found = audit(plugins, upgrade)
    assert {p.evidence for p in found} == {"structure"} and "nothing was measured" in str(found)
    assert all(p.expected is None for p in found)
    assert [p.verdict for p in found] == ["warm-start", "repair", "repair", "keep"]
    assert "a map of 200 pictures without labels left" in found[1].reasons[1] and "Not measured" in found[1].reasons[0]
    assert "an imitation of 200 pictures" in found[0].reasons[1]
    again = audit(plugins, upgrade.old)
    assert [p.verdict for p in again] == ["keep"] * 4 and "this very backbone" in again[0].reasons[0]
    assert again.exit_code == 0 and found.exit_code == 3


def test_pictures_without_labels_give_predictions_and_no_flips(plugins, measured, upgrade):
    known = {found.name: found.old for found in measured}
    images = toy_dataset(8).test.images
    told, untold = (audit(plugins, upgrade, images, old_accuracy=a, progress=False) for a in (known, None))
    for seen, found, blind in zip(measured, told, untold, strict=True):
        assert found.evidence == blind.evidence == "predicted" and found.pictures == 15
        assert found.old == seen.old and found.negative_flips is None and found.classes == ()
        assert found.changed == seen.changed and found.changes == seen.changes
        assert found.interval[0] <= found.expected <= found.interval[1]
        (note,) = (reason for reason in blind.reasons if "old_accuracy" in reason)
        assert f"{UNTOLD.typical:.1f} points off" in note and note.endswith(f"on old, {TOLD.typical:.1f}.")
        assert "old_accuracy" not in " ".join(found.reasons)
        for one, predictor in ((found, TOLD), (blind, UNTOLD)):
            assert sum(f"expected accuracies are {predictor.typical:.1f} points off" in why for why in one.reasons) == 1
        assert "points off" not in " ".join(seen.reasons), "what is measured needs no doubt"
    assert "predicted from pictures without labels" in str(told)


@pytest.mark.parametrize("told", [0, -3.0, 101.0, {"a.safetensors": 300.0}, float("nan")])
def test_an_accuracy_that_is_no_percentage_is_refused(plugins, upgrade, told):
    with pytest.raises(ConfigError, match="old_accuracy is a percentage"):
        audit(plugins, upgrade, toy_dataset(8).test.images, old_accuracy=told, progress=False)


def test_pictures_without_labels_need_the_old_backbone(plugins, upgrade):
    with pytest.raises(ConfigError, match="where the old backbone answers them too"):
        audit(plugins, upgrade.new, toy_dataset(8).test.images, progress=False)


def test_the_old_backbone_is_found_where_the_package_ships_it(upgrade, tmp_path):
    shipped = load_upgrade("mini", device="cpu", dtype="float32")
    plugin = fit(LinearProbe(c=1.0), shipped.old, toy_dataset(8))
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    both = audit([tmp_path / "bad.safetensors", plugin], shipped.new, toy_dataset(8), progress=False)
    assert both.old == "mini-old" and both[1].old is not None and both[1].negative_flips is not None
    other = replace(plugin, origin={**plugin.origin, "backbone": {"name": "mini-old", "stamp": "of other weights"}})
    elsewhere = replace(plugin, origin={**plugin.origin, "backbone": {"name": "ViT-B-32", "stamp": "unknown"}})
    for given in (other, elsewhere):
        assert audit(given, shipped.new, toy_dataset(8), progress=False).old is None


def test_pictures_that_cannot_be_decoded_and_too_few_of_them_end_the_audit_with_a_sentence(plugins, upgrade, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    images = toy_split("train", 4).images
    for i in range(7):
        images[i].save(folder / f"{i}.png")
    with pytest.raises(DataError, match="at least 8 pictures.*these are 7"):
        audit(plugins, upgrade, loose_pictures([folder]), progress=False)
    (folder / "8.png").write_bytes((folder / "1.png").read_bytes()[:100])
    with pytest.raises(DataError, match="8.png.*cannot be decoded"):
        audit(plugins, upgrade, loose_pictures([folder]), progress=False)
    with pytest.raises(ConfigError, match="at least one plug-in"):
        audit([], upgrade, progress=False)


def test_the_report_is_json_and_a_table_and_a_page_that_loads_nothing(plugins, measured, upgrade):
    said = json.loads(measured.to_json())
    assert said["exit_code"] == measured.exit_code and len(said["plugins"]) == 4
    assert said["plugins"][0]["expected"] == measured[0].expected
    head, *lines = measured.to_csv().splitlines()
    assert head.startswith("name,method,evidence,verdict,expected") and len(lines) == 4
    page = measured.to_html()
    assert not any(word in page for word in ("http", "<script", "<link", "<img", "src=", "@import", "url("))
    evil = replace(plugins[0], origin={**plugins[0].origin, "dataset": "<b onload=x>\x1b[2J"})
    page = audit(evil, upgrade).to_html()
    assert "<b onload" not in page and "\x1b" not in page


def test_the_page_has_in_each_plugins_part_its_numbers_and_its_error(plugins, measured, upgrade, tmp_path):
    _, *parts = measured.to_html().split("<details")
    for found, part in zip(measured, parts, strict=True):
        low, high = found.interval
        assert f"<dt>on new, %</dt><dd>{found.expected:.1f} ({low:.0f}–{high:.0f})</dd>" in part
        assert f"<dt>flips</dt><dd>{found.negative_flips:.1f}</dd>" in part and "<b>Error:</b>" not in part
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    _, part = audit(tmp_path / "bad.safetensors", upgrade).to_html().split("<details")
    assert "<b>Error:</b>" in part and "not a whole safetensors file" in part and "<dl>" not in part


def test_the_dearest_verdict_is_that_of_the_audit(measured):
    order = ("keep", "repair", "warm-start", "retrain")
    assert measured.verdict == max((p.verdict for p in measured), key=order.index)
    assert measured.reasons == measured.worst.reasons and measured.interval == measured.worst.interval


def test_words_nearest_to_a_prompt_are_shown_for_both_backbones(upgrade):
    prompt = fit(CoOp(ctx_init="a photo of a", recipe=replace(SHORT, lr=1e-9)), upgrade.old, toy_dataset(8), views=1)
    found = audit(prompt, upgrade)[0]
    assert found.words_old == ("a", "photo", "of", "a") and len(found.words_new) == 4
    assert "Words nearest" in audit(prompt, upgrade).to_html()
