"""Every entry of a plug-in's header has its type, and its tensors are those of its method, whoever wrote the file."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch

from clipcompat.common.errors import PluginError, UnknownNameError
from clipcompat.methods import KNOWN, METHODS, TODAY
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from tests.methods.learners import start, tensors_of
from tests.plugins.edits import as_earlier, sealed_again
from tests.toys import toy_dataset

SHORT = Recipe(epochs=1, batch_size=12)


@pytest.fixture(scope="module")
def whole(mini_old, tmp_path_factory):
    plugin = fit(ContCoOp(n_ctx=2, recipe=SHORT), mini_old, toy_dataset(2), views=1)
    return plugin.save(tmp_path_factory.mktemp("plugin") / "p").read_bytes()


@pytest.fixture
def saved(whole, tmp_path):
    path = tmp_path / "p.safetensors"
    path.write_bytes(whole)
    return path


@pytest.fixture(params=[as_earlier, sealed_again])
def edit(request, saved):
    """Edits a file in the two ways that no checksum notices."""
    return lambda change: request.param(saved, change)


def origin(**entries):
    return lambda h, t: h["origin"].update(entries)


def tower(**entries):
    return lambda h, t: h["origin"]["backbone"].update(entries)


BAD_ORIGINS = [
    *(origin(classnames=value) for value in (None, 5, "abc", [1, 2], [], ["a", None], ["a", " "], {"a": 1}, [["a"]])),
    *(origin(template=value) for value in (5, [1], {"a": 1}, True)),
    *(origin(dataset=value) for value in (5, ["x"])),
    *(origin(shots=value) for value in ("16", 1.5, True, [1])),
    *(origin(seed=value) for value in ("1", 0.5, [])),
    *(origin(epochs=value) for value in ("1", 0.5, {})),
    *(origin(views=value) for value in ("1", [1])),
    *(origin(seconds=value) for value in ("1", [1])),
    *(origin(final_loss=value) for value in ("1", [])),
    *(origin(crop=value) for value in (1, [1], ["a", "b"], [1, 2, 3])),
    *(origin(train_stamp=value) for value in (1, [])),
    *(origin(init=value) for value in (1, [])),
    *(origin(select_on=value) for value in (1, [])),
    *(origin(unverified=value) for value in (1, "no")),
    *(origin(backbone=value) for value in (None, "mini-old", [], {}, {"name": "mini-old"})),
    *(tower(stamp=value) for value in (None, 5, ["x"])),
    *(tower(name=value) for value in (None, 5)),
    lambda h, t: h["origin"].pop("classnames"),
    lambda h, t: h["origin"].pop("seed"),
    lambda h, t: h["origin"]["backbone"].pop("stamp"),
    lambda h, t: h.pop("origin"),
    lambda h, t: h.update(origin=[]),
]
BAD_METHODS = [
    lambda h, t: h.pop("method"),
    lambda h, t: h.update(method=None),
    lambda h, t: h.update(method=["contcoop"]),
    lambda h, t: h["method"].update(name=5),
    lambda h, t: h["method"].update(name=["contcoop"]),
    lambda h, t: h["method"].pop("config"),
    lambda h, t: h["method"].update(config=[1]),
    lambda h, t: h["method"]["config"].update(n_ctx="2"),
    lambda h, t: h["method"]["config"].update(n_ctx=0),
    lambda h, t: h["method"]["config"].update(tau="1"),
    lambda h, t: h["method"]["config"].update(attention=[]),
    lambda h, t: h["method"]["config"]["recipe"].update(epochs=0),
]


@pytest.mark.parametrize("change", [*BAD_ORIGINS, *BAD_METHODS])
def test_an_entry_of_another_type_is_refused(saved, edit, change):
    edit(change)
    with pytest.raises(PluginError, match="is not as Plugin.save writes it: .*Take the file as") as caught:
        load_plugin(saved)
    assert saved.name in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "change",
    [origin(seconds=math.nan), origin(final_loss=math.inf), lambda h, t: h["method"]["config"].update(tau=math.nan)],
)
def test_a_number_that_json_does_not_have_is_refused(saved, change):
    as_earlier(saved, change)
    with pytest.raises(PluginError, match="must be a finite number"):
        load_plugin(saved)


def test_an_unknown_method_names_the_nearest(saved, edit):
    edit(lambda h, t: h["method"].update(name="contcoop2"))
    with pytest.raises(UnknownNameError, match="Did you mean 'contcoop'.*newer version"):
        load_plugin(saved)


def test_an_unknown_setting_names_the_nearest(saved, edit):
    edit(lambda h, t: h["method"]["config"]["attention"].update(headz=1))
    with pytest.raises(UnknownNameError, match="Did you mean 'heads'"):
        load_plugin(saved)


def test_an_entry_that_this_version_does_not_know_stays(saved, edit):
    edit(origin(note={"by": "me"}))
    assert load_plugin(saved).origin["note"] == {"by": "me"}


def ctx(tensor):
    return lambda h, t: t.update(ctx=tensor)


BAD_TENSORS = [
    *(ctx(torch.zeros(tokens, 128)) for tokens in (0, 1, 3, 100, 20_000)),
    *(ctx(torch.full((2, 128), value)) for value in (math.nan, math.inf)),
    *(ctx(torch.zeros(shape)) for shape in [(2, 64), (2, 128, 1), (3, 2, 128), (256,), ()]),
    *(ctx(torch.zeros(2, 128, dtype=dtype)) for dtype in (torch.int32, torch.float16, torch.float64, torch.bool)),
    lambda h, t: t.pop("ctx"),
    lambda h, t: t.pop("attn.o.weight"),
    lambda h, t: t.update(more=torch.zeros(1)),
    lambda h, t: t.update({"attn.q.weight": torch.zeros(64, 128)}),
    lambda h, t: h["method"]["config"]["attention"].update(bias=True),
    lambda h, t: h["method"]["config"].update(attention=None),
    lambda h, t: h["method"]["config"].update(n_ctx=3),
    lambda h, t: h["method"].update(name="zero_shot", config={}),
]


@pytest.mark.parametrize("change", BAD_TENSORS)
def test_tensors_that_the_method_does_not_learn_are_refused(saved, edit, change):
    edit(change)
    words = r"does not hold what \w+ with its settings learns: it.*Take the file as|as (I32|F16|F64|BOOL); expected F32"
    with pytest.raises(PluginError, match=words):
        load_plugin(saved)


@pytest.mark.parametrize("name", [*METHODS, *TODAY])
def test_the_tensors_of_every_method_have_the_shapes_that_it_states(name, mini_old, mini_new):
    for backbone in (mini_old, mini_new):
        method = KNOWN[name]()
        lengths = {"width": backbone.width, "dim": backbone.dim, "penultimate": backbone.penultimate}
        tensors, shapes = tensors_of(start(method, backbone)), method.shapes(3)
        assert tensors.keys() == shapes.keys()
        for key, shape in shapes.items():
            assert len(tensors[key].shape) == len(shape)
            for found, stated in zip(tensors[key].shape, shape, strict=True):
                assert found == lengths.get(stated, found) and (isinstance(stated, str) or found == stated)


@pytest.mark.parametrize("name", [*METHODS, *TODAY])
def test_no_method_takes_tensors_that_are_longer_shorter_integers_or_not_finite(name, mini_old, tmp_path):
    known, wanted = {f.name for f in fields(KNOWN[name])}, {"recipe": SHORT, "c": 1.0, "search": False}
    method = KNOWN[name](**{k: v for k, v in wanted.items() if k in known})
    plugin = fit(method, mini_old, toy_dataset(2), views=1)
    whole = plugin.save(tmp_path / "p").read_bytes()
    assert load_plugin(tmp_path / "p").match(mini_old).kind == "exact"
    for key, tensor in plugin.tensors.items():
        odd = [torch.full(tensor.shape, math.nan), tensor.int(), tensor[None]]
        for dim, stated in enumerate(method.shapes(3)[key]):
            lengths = [0, tensor.shape[dim] + 1] if isinstance(stated, int) else [0]
            odd += [torch.zeros(*tensor.shape[:dim], length, *tensor.shape[dim + 1 :]) for length in lengths]
        for other in odd:
            (tmp_path / "p").write_bytes(whole)
            sealed_again(tmp_path / "p", lambda h, t, key=key, other=other: t.update({key: other}))
            with pytest.raises(PluginError, match="learns: it|as I32; expected F32"):
                load_plugin(tmp_path / "p")


def test_words_to_start_from_leave_the_number_of_tokens_free_but_not_without_end(mini_old, tmp_path):
    plugin = fit(CoOp(ctx_init="a photo of a", recipe=SHORT), mini_old, toy_dataset(2), views=1)
    path = plugin.save(tmp_path / "p")
    for tokens, says in ((0, "should be"), (100, "do not fit"), (20_000, "do not fit")):
        sealed_again(path, ctx(torch.zeros(tokens, 128)))
        if tokens:
            match = load_plugin(path).match(mini_old)
            assert match.kind == "incompatible" and f"{tokens} context tokens {says}" in match.why
        else:
            with pytest.raises(PluginError, match=says):
                load_plugin(path)


def test_a_plugin_that_no_file_may_hold_is_not_saved(mini_old, tmp_path):
    plugin = fit(CoOp(n_ctx=2, recipe=SHORT), mini_old, toy_dataset(2), views=1)
    plugin.tensors["ctx"][0, 0] = math.nan
    with pytest.raises(PluginError, match="is not saved.*finite.*Tune it again"):
        plugin.save(tmp_path / "p")
    assert not (tmp_path / "p").exists() and plugin.match(mini_old).kind == "incompatible"
