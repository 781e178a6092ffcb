"""What every method in the registry must be."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import clipcompat
from clipcompat.common.config import from_config, to_config
from clipcompat.common.errors import PluginError
from clipcompat.methods import KNOWN, METHODS, OF_DPC, TODAY
from clipcompat.methods.defaults import default_method
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.learner import DEPTHS
from clipcompat.training.recipe import Recipe
from tests.methods.learners import PHOTO, plugin_of, start, tensors_of
from tests.toys import NAMES, toy_dataset

ON_FEATURES = [*METHODS, "dpc", *(name for name, kind in TODAY.items() if kind.needs != "pixels")]
WITHOUT_WEIGHTS = (
    "linear_probe",
    "clip_adapter",
    "tip_adapter",
    "tip_adapter_f",
    "cocoop",
    "gda",
    "lp_plus_plus",
    "prolip",
)


def test_methods_are_found_by_their_own_names():
    assert clipcompat.METHODS is METHODS
    assert list(METHODS) == [
        "zero_shot",
        "linear_probe",
        "clip_adapter",
        "tip_adapter",
        "tip_adapter_f",
        "coop",
        "cocoop",
        "kgcoop",
        "contcoop",
    ]
    assert all(name == method.name for name, method in METHODS.items())
    assert all(getattr(clipcompat, method.__name__) is method for method in METHODS.values())


def test_methods_of_today_are_public_and_in_no_table_of_a_paper():
    assert list(TODAY) == ["gda", "taskres", "zs_lp", "clap", "lp_plus_plus", "prolip", "clip_lora"]
    assert not TODAY.keys() & (METHODS | OF_DPC).keys() and METHODS | OF_DPC | TODAY == KNOWN
    for name, kind in TODAY.items():
        assert kind.name == name and getattr(clipcompat, kind.__name__) is kind
        assert (
            DEPTHS[kind.acts_on] == ("" if name == "clip_lora" else "deep")
            and default_method(name, "eurosat") == kind()
        )
    assert len({kind.title for kind in KNOWN.values()}) == len(KNOWN)


def test_every_method_says_where_it_acts_and_how_it_is_printed():
    acts_on = {name: method.acts_on for name, method in METHODS.items()}
    prompts = {name for name, part in acts_on.items() if DEPTHS[part] == "shallow"}
    assert prompts == {"coop", "cocoop", "kgcoop", "contcoop"}
    assert {name for name, part in acts_on.items() if DEPTHS[part] == ""} == {"zero_shot"}
    titles = [method.title for method in METHODS.values()]
    assert len(set(titles)) == len(titles)
    # a title is the class's name as its paper spells it
    assert all(METHODS[name].title.replace("-", "") == METHODS[name].__name__ for name in acts_on if "_" not in name)
    assert METHODS["tip_adapter_f"].title == "Tip-Adapter-F"


@pytest.mark.parametrize("name", ON_FEATURES)
def test_methods_are_frozen_hyper_parameters_that_survive_a_file(name):
    method = KNOWN[name]()
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.recipe = None
    assert from_config(KNOWN[name], to_config(method)) == method
    assert method.needs in ("features", "pixels", "nothing")


@pytest.mark.parametrize("name", ON_FEATURES)
def test_every_method_goes_from_setup_to_logits_on_both_kinds_of_backbone(name, mini_old, mini_new):
    method, data = KNOWN[name](), toy_dataset()
    learner = start(method, mini_old)
    assert all(p.requires_grad and p.dtype == torch.float32 for p in learner.parameters.values())
    features, labels = torch.randn(6, mini_old.feature_width(method.image_features)), torch.tensor([0, 1, 2, 0, 1, 2])
    loss = learner.loss(features, labels)
    assert loss.shape == () and loss.isfinite()
    plugin = plugin_of(method, tensors_of(learner), mini_old)
    for backbone in (mini_old, mini_new):
        scores = method.logits(plugin.tensors, backbone, features, data.classnames, PHOTO)
        assert scores.shape == (6, 3) and scores.isfinite().all()
        assert plugin.match(backbone).kind == ("exact" if backbone is mini_old else "compatible")
        # image by image gives what the batch gives
        single = [method.logits(plugin.tensors, backbone, f[None], data.classnames, PHOTO) for f in features]
        torch.testing.assert_close(torch.cat(single), scores, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["zero_shot", "coop", "kgcoop", "contcoop", "dpc", "taskres", "zs_lp", "clap"])
def test_class_weights_are_the_classifier(name, mini_old, mini_new):
    method = KNOWN[name]()
    plugin, features = plugin_of(method, tensors_of(start(method, mini_old)), mini_old), torch.randn(4, mini_old.dim)
    for backbone in (mini_old, mini_new):
        weights = plugin.class_weights(backbone, NAMES)
        assert weights.shape == (3, backbone.dim)
        torch.testing.assert_close(weights.norm(dim=-1), torch.ones(3))
        cosines = torch.nn.functional.normalize(features, dim=-1) @ weights.T
        scores = method.logits(plugin.tensors, backbone, features, NAMES, PHOTO)
        torch.testing.assert_close(scores, backbone.logit_scale * cosines, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [*WITHOUT_WEIGHTS])
def test_methods_without_class_weights_say_so(name, mini_old):
    method = KNOWN[name]()
    plugin = plugin_of(method, tensors_of(start(method, mini_old)), mini_old)
    with pytest.raises(PluginError, match=f"{name} has no class weights: .* Use the plug-in's logits"):
        plugin.class_weights(mini_old, NAMES)


@pytest.mark.parametrize("name", ON_FEATURES)
def test_the_same_generator_seed_gives_the_same_start(name, mini_old):
    starts = [start(KNOWN[name](), mini_old, seed=s) for s in (1, 1, 2)]
    drawn = {"coop": {"ctx"}, "contcoop": {"ctx", "attn.q.weight"}, "clip_adapter": {"fc.0.weight", "fc.2.weight"}}
    for key in starts[0].parameters:
        first, again, other = (s.parameters[key].detach() for s in starts)
        assert torch.equal(first, again)
        assert key not in drawn.get(name, ()) or not torch.equal(first, other)


@pytest.mark.parametrize("name", ON_FEATURES)
def test_a_saved_plugin_names_single_pictures_as_the_test_loop_does(name, mini_old, mini_new, tmp_path):
    data, known = toy_dataset(), {f.name for f in dataclasses.fields(KNOWN[name])}
    wanted = {"recipe": Recipe(epochs=2, batch_size=6, lr=0.05), "search": False, "c": 1.0, "steps": 3}
    method = KNOWN[name](**{k: v for k, v in wanted.items() if k in known})
    plugin = load_plugin(fit(method, mini_old, data, views=1).save(tmp_path / "plugin.safetensors"))
    assert plugin.method == method
    for backbone in (mini_old, mini_new):
        expected = plugin.logits(backbone, data.test).softmax(-1)
        for i in (0, 7):
            named = dict(plugin.predict(backbone, data.test.images[i]))
            found = torch.tensor([named[classname] for classname in NAMES])
            torch.testing.assert_close(found, expected[i], rtol=1e-4, atol=1e-5)
    # what belongs to single classes serves no other list of them; what reads names does
    other = plugin.match(mini_new, [*NAMES[:2], "grey wolf"])
    bound = KNOWN[name]().class_specific
    assert other.kind == ("incompatible" if bound else "compatible") and other.why.endswith(".")
