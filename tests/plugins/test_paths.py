"""Upgrade paths from architectures agree with what `Plugin.match` says of plug-ins that were tuned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.backbones.load import load_outline
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.published import Published
from clipcompat.common.config import to_config
from clipcompat.common.errors import UnknownNameError, UnsuitableModelError
from clipcompat.methods import METHODS
from clipcompat.methods.coop import CoOp
from clipcompat.methods.defaults import mini_method
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.plugins import paths as module
from clipcompat.plugins.fit import fit
from clipcompat.plugins.paths import carries, upgrade_paths
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

B16 = Outline("B/16", dim=512, width=512, layers=12, context_length=77, penultimate=768)
ANY = sorted({"zero_shot", "coop", "kgcoop", "contcoop"})  # what reads the text tower alone
SHORT = {"recipe": Recipe(epochs=1, batch_size=6, lr=0.01, warmup_epochs=0)}


def fits(old: Outline, new: Outline) -> list[str]:
    return sorted(name for name, kind in METHODS.items() if carries(kind(), old, new).kind == "compatible")


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("there", ["mini-new", "mini-large-old", "ViT-B-16"])
def test_the_answer_for_a_plugin_to_be_is_that_of_match_for_the_tuned_one(name, there, old):
    method, data = mini_method(name), toy_dataset()
    trained = "recipe" in to_config(method)
    method = replace(method, **SHORT) if trained else method
    plugin = fit(method, old, data, views=1 if trained else None, progress=False)
    new = load_outline(there)
    assert carries(method, old, new, data.classnames).kind == plugin.match(new).kind


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({}, set()),
        ({"penultimate": None}, {"linear_probe"}),
        ({"penultimate": 1024}, {"linear_probe"}),
        ({"layers": 24}, set()),
    ],
)
def test_each_length_decides_for_the_methods_that_read_it(changes, lost):
    assert set(fits(B16, replace(B16, **changes))) == set(fits(B16, B16)) - lost


def test_prompts_need_the_width_of_the_text_tower_and_what_reads_features_their_length():
    wide = fits(B16, replace(B16, width=768))
    assert "tip_adapter" in wide and "clip_adapter" in wide and not {"coop", "kgcoop", "contcoop"} & set(wide)
    long = fits(B16, replace(B16, dim=1024))
    assert set(ANY) <= set(long) and not {"tip_adapter", "clip_adapter", "cocoop"} & set(long)


def test_a_method_that_cannot_be_tuned_on_old_says_so():
    match = carries(LinearProbe(), replace(B16, penultimate=None), B16)
    assert match.kind == "incompatible" and match.why.startswith("linear_probe cannot be tuned on B/16: ")


def test_a_layer_that_the_new_tower_does_not_have_is_a_reason():
    assert carries(CoOp(layer=11), B16, B16).kind == "compatible"
    assert "the text tower of B/16 has 4" in carries(CoOp(layer=5), B16, replace(B16, layers=4)).why


def test_paths_lead_to_every_published_backbone_and_say_why_where_they_end(monkeypatch):
    wide, other = replace(B16, name="wide", width=768), Published("Sig:webli", None, "it is no CLIP.")
    known = (Published("B:one", B16), Published("W:two", wide), other)
    monkeypatch.setattr(module, "published_weights", lambda: known)
    here, there, nowhere = upgrade_paths(B16, [CoOp(), LinearProbe()])
    assert (here.name, here.methods, here.why) == ("B:one", ("coop", "linear_probe"), {})
    assert there.methods == ("linear_probe",) and "has 768" in there.why["coop"]
    assert (nowhere.name, nowhere.methods, nowhere.why) == ("Sig:webli", (), "it is no CLIP.")
    assert [path.methods for path in upgrade_paths("EVA02-B-16", [CoOp()])] == [("coop",), (), ()]


def test_paths_from_what_is_no_backbone_are_refused():
    with pytest.raises(UnknownNameError, match="Did you mean"):
        upgrade_paths("ViT-B-61")
    with pytest.raises(UnsuitableModelError, match="its text tower is not CLIP's"):
        upgrade_paths("coca_ViT-B-32")
