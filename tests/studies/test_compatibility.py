"""An upgrade report, field by field, against numbers counted here and against a plug-in whose answers are given."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Match
from clipcompat.studies.compatibility import compatibility
from clipcompat.studies.report import Compatibility
from clipcompat.training.recipe import Recipe
from tests.tiny import tiny_backbone
from tests.toys import toy_dataset

COOP = CoOp(n_ctx=2, recipe=Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0))


def report(**numbers) -> Compatibility:
    plain = {"old": 60.0, "new": 70.0, "zs_old": 40.0, "zs_new": 50.0, "retrained": 90.0, "negative_flips": 5.0}
    return Compatibility("coop", "toys", 1, **(plain | numbers))


def hits(plugin, backbone, split) -> list[bool]:
    """Picture by picture, without the feature code."""
    right = []
    weights = plugin.class_weights(backbone, split.classnames)
    for i in range(len(split)):
        feature = backbone.encode_image(backbone.preprocess.test(split.images[i])[None])[0]
        right.append(int((weights @ feature).argmax()) == int(split.labels[i]))
    return right


def test_a_report_is_what_counting_by_hand_gives(old, new):
    data = toy_dataset(4)
    plugin = fit(COOP, old, data, seed=5, views=1)
    found = compatibility(plugin, Upgrade(old, new), data)
    zero_shot, retrained = fit(ZeroShot(), old, data), fit(COOP, new, data, seed=5, views=1)
    on_old, on_new = hits(plugin, old, data.test), hits(plugin, new, data.test)
    assert (found.method, found.dataset, found.seed) == ("coop", "toys", 5)
    assert found.old == pytest.approx(100 * sum(on_old) / 15) and found.new == pytest.approx(100 * sum(on_new) / 15)
    assert found.zs_old == pytest.approx(100 * sum(hits(zero_shot, old, data.test)) / 15)
    assert found.zs_new == pytest.approx(100 * sum(hits(zero_shot, new, data.test)) / 15)
    assert found.retrained == pytest.approx(100 * sum(hits(retrained, new, data.test)) / 15)
    flipped = sum(a and not b for a, b in zip(on_old, on_new, strict=True))
    assert flipped and found.negative_flips == pytest.approx(100 * flipped / 15)


class Told:
    """A method whose plug-in answers `name -> logits` on the backbone of that name."""

    name = "told"
    image_features = "projected"

    def __init__(self, answers):
        self.answers = answers

    def mismatch(self, tensors, backbone, classnames):
        return None


@dataclasses.dataclass(frozen=True)
class ToldPlugin:
    method: Told
    origin: dict

    def match(self, backbone, classnames):
        return Match("exact", "told so")

    def is_tuned_on(self, backbone):
        return True

    def logits(self, backbone, split, cache=None, progress=None):
        return torch.eye(3)[torch.tensor(self.method.answers[backbone.name])]


def told(**answers) -> ToldPlugin:
    return ToldPlugin(Told({f"mini-{name}": a for name, a in answers.items()}), {"seed": 3, "views": 1})


RIGHT = [0] * 5 + [1] * 5 + [2] * 5  # the labels of the toy test split


def test_flips_are_pictures_right_before_and_wrong_after(old, new):
    before = [0, 0, 0, 1, 1] + RIGHT[5:]  # 13 right
    after = [1, 1, 0, 0, 0] + [2] * 5 + RIGHT[10:]  # two flipped in the first class, five in the second
    given = told(old=before, new=after)
    found = compatibility(given, Upgrade(old, new), toy_dataset(4), retrained=told(new=RIGHT))
    assert found.old == pytest.approx(1300 / 15) and found.new == pytest.approx(800 / 15)
    assert found.negative_flips == pytest.approx(700 / 15) and found.retrained == 100.0 and found.seed == 3


def test_retraining_can_be_left_out(old, new):
    data = toy_dataset(4)
    found = compatibility(fit(COOP, old, data, views=1), Upgrade(old, new), data, retrained=False)
    assert found.retrained is None and found.kept_gain is None and 0 <= found.h_upgrade <= 100


def test_a_plugin_of_another_backbone_is_no_start_of_an_upgrade(old, new):
    data = toy_dataset(4)
    plugin = fit(COOP, new, data, views=1)
    with pytest.raises(ConfigError, match="tuned on mini-new .* starts from mini-old"):
        compatibility(plugin, Upgrade(old, new), data, retrained=False)


def test_retraining_needs_the_images_that_were_trained_on(old, new):
    plugin = fit(COOP, old, toy_dataset(4), views=1)
    with pytest.raises(ConfigError, match="tuned on other images"):
        compatibility(plugin, Upgrade(old, new), toy_dataset(2))


def test_a_chain_gives_one_report_for_each_later_backbone(old, new):
    data = toy_dataset(4)
    plugin = fit(COOP, old, data, views=1)
    pair = compatibility(plugin, Upgrade(old, new), data, retrained=False)
    same = compatibility(plugin, Upgrade(old, old), data, retrained=False)
    assert compatibility(plugin, (old, new, old), data, retrained=False) == (pair, same)
    assert same.old == same.new and same.negative_flips == 0


def test_features_can_be_kept_on_disk(old, new, tmp_path):
    data, calls = toy_dataset(4), []
    plugin = fit(COOP, old, data, views=1, cache=tmp_path)
    first = compatibility(plugin, Upgrade(old, new), data, cache=tmp_path, progress=lambda *call: calls.append(call))
    assert calls and len(list(tmp_path.glob("*.bin"))) == 4  # train and test pictures, on both
    for backbone in (old, new):
        backbone.memory.clear()
    opened = len(data.test.images.opened)
    assert compatibility(plugin, Upgrade(old, new), data, cache=tmp_path) == first
    assert len(data.test.images.opened) == opened


@pytest.mark.parametrize("method", [COOP, LinearProbe(c=1.0)], ids=["projected", "penultimate too"])
def test_each_test_picture_is_decoded_once_for_both_backbones_and_all_their_features(old, new, method):
    data = toy_dataset(4)
    plugin = fit(method, old, data, views=1)
    assert data.test.images.opened == []
    compatibility(plugin, Upgrade(old, new), data, retrained=False)
    assert sorted(data.test.images.opened) == list(range(15))


def test_an_upgrade_the_plugin_cannot_follow_says_why(old):
    data = toy_dataset(4)
    with pytest.raises(IncompatibleError, match="128 channels, the text tower of tiny has 16"):
        compatibility(fit(COOP, old, data, views=1), Upgrade(old, tiny_backbone()), data)


def test_derived_numbers():
    assert report().h_upgrade == pytest.approx(2 * 60 * 70 / 130)
    assert report().kept_gain == pytest.approx((70 - 50) / (90 - 50))
    assert report(new=30.0).kept_gain == pytest.approx(-0.5)  # worse than zero-shot
    assert report(old=0.0, new=0.0).h_upgrade == 0.0


@pytest.mark.parametrize(("retrained", "defined"), [(51.0, True), (50.9, False), (50.0, False), (20.0, False)])
def test_kept_gain_is_undefined_where_retraining_gains_less_than_a_point(retrained, defined):
    assert (report(retrained=retrained).kept_gain is not None) is defined


def test_a_report_as_a_dictionary_has_fields_and_derived_numbers():
    values = report().to_dict()
    assert values["old"] == 60.0 and values["kept_gain"] == 0.5 and values["h_upgrade"] == report().h_upgrade
    assert report(retrained=None).to_dict()["kept_gain"] is None
