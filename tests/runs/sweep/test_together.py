"""A sweep knows what its runs will read, so that each picture goes through a tower once for all of them."""

from __future__ import annotations

import functools
from collections import Counter
from types import SimpleNamespace

import pytest

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.preprocess import Preprocess
from clipcompat.backbones.upgrade import load_upgrade
from clipcompat.runs.sweep.jobs import run_serially
from clipcompat.runs.sweep.spec import load_spec
from clipcompat.runs.sweep.sweep import sweep
from clipcompat.runs.sweep.together import kinds_together, plan_passes
from tests.runs.sweep.test_sweep import TINY
from tests.trees import write_eurosat

BOTH = ("projected", "penultimate")


def asked(*methods: str, **changes) -> list[dict]:
    return [{**TINY, "seeds": (1,), "method": method, **changes} for method in methods]


def test_what_runs_read_is_told_by_set_and_transform():
    found = kinds_together([*asked("coop", "linear_probe", "prolip"), *asked("coop", dataset="dtd")])
    assert found == {
        "eurosat": {"test": set(BOTH), (0.08, 1.0): {"projected"}, (0.5, 1.0): {"penultimate"}},
        "dtd": {"test": {"projected"}, (0.08, 1.0): {"projected"}},
    }
    assert kinds_together(asked("linear_probe", settings=("features=projected",)))["eurosat"] == {"test": {"projected"}}


def test_methods_that_change_the_image_tower_read_no_training_views():
    assert kinds_together(asked("maple"))["eurosat"] == {"test": {"projected"}}


def test_methods_of_the_shipped_study_share_passes_on_every_set():
    plans = kinds_together(load_spec("table2").requests("mini"))
    assert len(plans) == 11 and all(set(BOTH) in plan.values() for plan in plans.values())


def test_crops_that_a_backbone_widens_to_one_range_are_one_pass(mini_old):
    plain = SimpleNamespace(penultimate=8, preprocess=Preprocess(8, (0.5,) * 3, (0.5,) * 3))
    mini = SimpleNamespace(penultimate=8, preprocess=mini_old.preprocess)
    plan_passes(SimpleNamespace(old=plain, new=mini), {(0.08, 1.0): {"projected"}, (0.5, 1.0): {"penultimate"}})
    assert plain.together == {(0.08, 1.0): {"projected"}, (0.5, 1.0): {"penultimate"}}
    assert mini.together == {(0.6, 1.0): set(BOTH)}


def test_a_tower_without_penultimate_features_makes_one_kind(mini_new):
    old, new = (SimpleNamespace(penultimate=n, preprocess=mini_new.preprocess) for n in (None, 8))
    plan_passes(SimpleNamespace(old=old, new=new), {"test": set(BOTH)})
    assert (old.together, new.together) == ({}, {"test": set(BOTH)})


@pytest.mark.parametrize("away", [False, True], ids=["here", "away"])
def test_a_second_kind_of_features_costs_no_second_pass(tmp_path, monkeypatch, away):
    root = str(write_eurosat(tmp_path / "data"))
    encoded, function = Counter(), Backbone.image_features

    def call(self, pixels, kind="projected"):
        encoded[self.name] += len(pixels)
        return function(self, pixels, kind)

    monkeypatch.setattr(Backbone, "image_features", call)

    def pictures(*methods: str) -> dict[str, int]:
        """Pictures that go through each tower in a sweep of these methods, which begins with nothing."""
        monkeypatch.setattr("clipcompat.runs.sweep.sweep._kept_upgrade", functools.lru_cache(load_upgrade))
        encoded.clear()
        out, settings = tmp_path / methods[-1] / "out", ("recipe.batch_size=2", "recipe.epochs=1")
        monkeypatch.setattr("tempfile.tempdir", str(out.parent))
        out.mkdir(parents=True)
        runs = asked(*methods, settings=settings, root=root)
        assert all(o.error is None for o in sweep(runs, out, run_serially, away=away))
        return dict(encoded)

    alone = pictures("clip_adapter")
    assert alone.keys() == {"mini-old", "mini-new"} and pictures("clip_adapter", "prolip") == alone
