"""What `fit` refuses, and when: before hours are spent, in one sentence."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.common.errors import ClipcompatError, ConfigError, DataError
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.parts.attention import Attention
from clipcompat.methods.tip_adapter import TipAdapter, TipAdapterF
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.training.learner import Learner
from clipcompat.training.recipe import Recipe
from tests.plugins.test_fit import CONT, COOP, SHORT, Spy
from tests.toys import toy_dataset, toy_split


@pytest.mark.parametrize("method", [COOP, CONT, dataclasses.replace(CONT, attention=Attention(lr_scale=1e6))])
def test_a_diverging_run_is_a_sentence(old, method):
    wild = dataclasses.replace(method, recipe=dataclasses.replace(SHORT, lr=1e30))
    with pytest.raises(ClipcompatError, match=r"training .* on toys diverged in epoch \d of 3 .*Lower recipe.lr"):
        fit(wild, old, toy_dataset(4), views=1)


def test_parameters_that_stop_being_numbers_in_the_last_step_are_noticed(old):
    @dataclasses.dataclass(frozen=True)
    class Cliff(Spy):
        def setup(self, task):
            w = torch.zeros(1, requires_grad=True)
            return Learner({"w": w}, lambda features, labels: (w * 1e30).sum())

    with pytest.raises(ClipcompatError, match="diverged in epoch 1 of 1"):
        fit(Cliff(Recipe(lr=1e30, epochs=1, warmup_epochs=0, batch_size=12), []), old, toy_dataset(4), views=1)


def test_a_teacher_is_refused_by_methods_that_take_none(old):
    data = toy_dataset(4)
    with pytest.raises(ConfigError, match="coop has no teacher"):
        fit(COOP, old, data, teacher=(fit(ZeroShot(), old, data), old))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"views": -1}, "views must be 0"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**63}, "seed must be"),
        ({"dtype": "fp8"}, "fp8"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(old, options, says):
    with pytest.raises(ClipcompatError, match=says):
        fit(COOP, old, toy_dataset(4), **options)


def test_a_class_without_pictures_is_named_before_anything_is_trained(old):
    data = toy_dataset(4)
    kept = [i for i in range(12) if i // 4 != 1]
    train = dataclasses.replace(
        data.train, images=data.train.images.select(kept), labels=data.train.labels[torch.tensor(kept)]
    )
    for method in (COOP, LinearProbe(c=1.0), TipAdapter(search=False)):
        with pytest.raises(DataError, match=r"no training image of 1 of its 3 classes \('owl'\).*data.subset"):
            fit(method, old, dataclasses.replace(data, train=train))


@pytest.mark.parametrize(
    ("method", "what"),
    [
        (LinearProbe(), "the probe's C"),
        (TipAdapter(), "alpha, beta"),
        (TipAdapterF(), "alpha, beta"),
        (CLIPAdapter(search=True), "the adapter's ratio"),
    ],
    ids=lambda m: getattr(m, "name", ""),
)
def test_a_search_without_validation_pictures_is_refused_before_training(old, method, what):
    data = toy_dataset(4)
    bare = dataclasses.replace(data, val=toy_split("val", 0))
    with pytest.raises(DataError, match="toys has no validation images") as refusal:
        fit(method, old, bare)
    assert what in str(refusal.value)


def test_what_searches_nothing_needs_no_validation_pictures(old):
    bare = dataclasses.replace(toy_dataset(4), val=toy_split("val", 0))
    for method in (LinearProbe(c=0.5), TipAdapter(search=False), CLIPAdapter(recipe=SHORT)):
        assert fit(method, old, bare).logits(old, bare.test).isfinite().all()


def test_official_protocols_must_be_given_what_they_select_on_and_others_must_not(old):
    data = toy_dataset(4)
    with pytest.raises(ConfigError, match="must be given select_on=data.test"):
        fit(TipAdapterF(protocol="official"), old, data)
    for method in (TipAdapterF(), COOP):
        with pytest.raises(ConfigError, match="drop select_on="):
            fit(method, old, data, select_on=data.test)
    method = TipAdapterF(protocol="official", recipe=dataclasses.replace(TipAdapterF().recipe, epochs=2))
    assert fit(method, old, data, views=2, select_on=data.test).origin["select_on"] == data.test.stamp
    assert fit(TipAdapter(), old, data).origin["select_on"] is None


def test_features_that_are_no_numbers_are_named(old, monkeypatch):
    data = toy_dataset(4)
    real = type(old).image_features

    def spoiled(self, pixels, kind="projected"):
        rows = real(self, pixels, kind)
        rows[7] = float("nan")
        return rows

    monkeypatch.setattr(type(old), "image_features", spoiled)
    with pytest.raises(DataError, match="the feature of train/7 is not a number"):
        fit(LinearProbe(c=1.0), old.with_dtype(torch.float32), data)


@pytest.mark.parametrize("method", [ZeroShot(), LinearProbe(c=1.0), TipAdapter(search=False)], ids=lambda m: m.name)
def test_what_trains_nothing_starts_from_nothing(old, method):
    with pytest.raises(ConfigError, match=f"{method.name} trains nothing.*drop init="):
        fit(method, old, toy_dataset(4), init=fit(method, old, toy_dataset(4)))


def test_a_class_without_a_name_is_refused_by_whatever_reads_names(old):
    data = toy_dataset(4, ("red fox", "_", "owl"))
    says = "of 3 class names number 2 is empty. Name the class"
    for method in (COOP, CONT, CLIPAdapter(recipe=SHORT)):
        with pytest.raises(ConfigError, match=says):
            fit(method, old, data, views=1)
    cache = fit(TipAdapter(search=False), old, data)  # a cache of pictures reads no name until it is used
    with pytest.raises(ConfigError, match=says):
        cache.logits(old, data.test)
