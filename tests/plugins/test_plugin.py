"""Plug-ins: saved and loaded exactly, carried to another backbone, refused where they cannot act."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from clipcompat.common.errors import ConfigError, DataError, IncompatibleError, StorageError
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.parts.attention import Attention
from clipcompat.methods.parts.condition import Condition
from clipcompat.methods.parts.distillation import Distillation
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from tests.data.pictures.test_rgb import png
from tests.tiny import tiny_backbone
from tests.toys import NAMES, ToyImages, toy_dataset, toy_split

SHORT = Recipe(epochs=1, batch_size=12, crop=(0.5, 1.0))
METHODS = [
    ZeroShot(),
    CoOp(n_ctx=3, csc=True, position="middle", recipe=SHORT),
    ContCoOp(
        n_ctx=2,
        attention=Attention(heads=2, bias=True, weight_decay=0.1),
        tau=0.02,
        recipe=SHORT,
        condition=Condition(include=("sos",), template="a {}"),
        distillation=Distillation(weight=0.5, form="l2sq"),
    ),
]
by_name = {"ids": lambda m: m.name}


@pytest.fixture
def plugin(old):
    return fit(METHODS[2], old, toy_dataset(4), views=1)


@pytest.fixture
def saved(plugin, tmp_path):
    return plugin.save(tmp_path / "p.safetensors")


@pytest.mark.parametrize("method", METHODS, **by_name)
def test_a_saved_plugin_comes_back_exactly(old, new, method, tmp_path):
    data = toy_dataset(4)
    plugin = fit(method, old, data, seed=3, views=1)
    again = load_plugin(plugin.save(tmp_path / "deep" / "p.safetensors"))
    assert again.method == method and type(again.method) is type(method)
    assert again.origin == plugin.origin
    assert again.tensors.keys() == plugin.tensors.keys()
    assert all(torch.equal(again.tensors[n], plugin.tensors[n]) for n in plugin.tensors)
    for backbone in (old, new):
        assert torch.equal(again.logits(backbone, data.test), plugin.logits(backbone, data.test))
    assert again.save(tmp_path / "twice").read_bytes() == (tmp_path / "deep" / "p.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (METHODS[0], set()),
        (METHODS[1], {"ctx"}),
        (METHODS[2], {"ctx", *(f"attn.{m}.{kind}" for m in "qkvo" for kind in ("weight", "bias"))}),
    ],
)
def test_only_what_was_learned_is_in_the_file(old, method, names, tmp_path):
    path = fit(method, old, toy_dataset(4), views=1).save(tmp_path / "p.safetensors")
    with safe_open(path, "pt") as file:
        assert set(file.keys()) == names


def test_a_saved_file_names_no_place_on_this_machine(saved, tmp_path):
    data = saved.read_bytes()
    assert str(tmp_path).encode() not in data and b"/home" not in data and b"/tmp" not in data


def test_saving_where_nothing_can_be_written_is_a_sentence(plugin, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="could not write"):
        plugin.save(tmp_path / "taken" / "p.safetensors")


def test_logits_are_scaled_cosines_with_the_class_weights(old):
    data = toy_dataset(4)
    plugin = fit(METHODS[1], old, data, views=1)
    weights = plugin.class_weights(old, NAMES)
    torch.testing.assert_close(weights.norm(dim=-1), torch.ones(3), atol=1e-5, rtol=0)
    features = old.encode_image(torch.stack([old.preprocess.test(data.test.images[i]) for i in range(15)]))
    expected = old.logit_scale * features @ weights.T
    torch.testing.assert_close(plugin.logits(old, data.test), expected, atol=1e-3, rtol=1e-4)


def test_another_class_list_gives_another_classifier(old):
    plugin = fit(METHODS[2], old, toy_dataset(4), views=1)
    assert plugin.class_weights(old, ("wolf", "crow")).shape == (2, old.dim)
    assert plugin.logits(old, toy_split("test", 1, ("wolf", "crow", "eel", "bee"))).shape == (4, 4)


@pytest.mark.parametrize("method", METHODS, **by_name)
def test_predict_ranks_all_classes_as_logits_do(old, method, tmp_path):
    data = toy_dataset(4)
    plugin = fit(method, old, data, views=1)
    picture = data.test.images[7]
    ranked = plugin.predict(old, picture)
    assert sorted(name for name, _ in ranked) == sorted(NAMES)
    shares = [share for _, share in ranked]
    assert shares == sorted(shares, reverse=True) and abs(sum(shares) - 1) < 1e-5
    expected = plugin.logits(old, data.test)[7].softmax(-1)
    assert [n for n, _ in ranked] == [NAMES[i] for i in expected.argsort(descending=True).tolist()]
    torch.testing.assert_close(torch.tensor(shares), expected.sort(descending=True).values, atol=1e-4, rtol=1e-3)
    picture.save(tmp_path / "p.png")
    assert [n for n, _ in plugin.predict(old, tmp_path / "p.png")] == [n for n, _ in ranked]
    assert [n for n, _ in plugin.predict(old, str(tmp_path / "p.png"))] == [n for n, _ in ranked]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_predict_takes_pictures_of_any_mode_and_shape(plugin, old, mode):
    for size in ((7, 90), (1, 1)):
        assert len(plugin.predict(old, Image.new(mode, size))) == 3


def test_predict_over_other_classes(plugin, old):
    ranked = plugin.predict(old, Image.new("RGB", (9, 9)), ["wolf", "crow"])
    assert sorted(name for name, _ in ranked) == ["crow", "wolf"]


@pytest.mark.parametrize("content", [None, b"", b"no picture", "cut"])
def test_a_picture_that_cannot_be_read_is_a_sentence(plugin, old, tmp_path, content):
    path = tmp_path / "broken.jpg"
    if content is not None:
        Image.effect_noise((64, 64), 90).save(path, "JPEG")
        path.write_bytes(path.read_bytes()[:500] if content == "cut" else content)
    with pytest.raises(DataError, match="cannot read the image") as caught:
        plugin.predict(old, path)
    assert "broken.jpg" in str(caught.value)


def test_pils_own_sentence_ends_with_one_full_stop(plugin, old, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("RGB", (30, 30)).save(tmp_path / "huge.png")
    with pytest.raises(DataError, match=r"huge\.png: .*[^.]\. It must be a picture"):
        plugin.predict(old, tmp_path / "huge.png")


@pytest.mark.parametrize(("shape", "colour"), [((6, 5), 0), ((6, 5, 3), 2)], ids=["grey", "colour"])
def test_a_picture_whose_numbers_do_not_use_its_16_bits_is_not_taken_for_a_black_one(
    plugin, old, tmp_path, shape, colour
):
    (tmp_path / "dark.png").write_bytes(png(np.full(shape, 255, np.uint16), colour))
    with pytest.raises(DataError, match=r"dark\.png.* almost black"):
        plugin.predict(old, tmp_path / "dark.png")


def test_a_picture_opened_late_may_be_broken_too(plugin, old, tmp_path):
    path = tmp_path / "cut.jpg"
    Image.effect_noise((64, 64), 90).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:500])
    with Image.open(path) as picture, pytest.raises(DataError, match="cannot read the image"):
        plugin.predict(old, picture)


def test_match_tells_the_same_backbone_another_and_one_that_does_not_fit(plugin, old, new):
    assert plugin.match(old).kind == "exact" and "tuned on this very backbone, mini-old" in plugin.match(old).why
    other = plugin.match(new)
    assert other.kind == "compatible" and "mini-old" in other.why and "mini-new" in other.why
    narrow = plugin.match(tiny_backbone())
    assert narrow.kind == "incompatible"
    assert "128 channels" in narrow.why and "the text tower of tiny has 16" in narrow.why


@pytest.mark.parametrize("method", METHODS[1:], **by_name)
def test_a_backbone_of_another_width_is_refused_at_every_door(old, method):
    plugin, tiny = fit(method, old, toy_dataset(4), views=1), tiny_backbone()
    for use in (
        lambda: plugin.logits(tiny, toy_split("test", 1)),
        lambda: plugin.class_weights(tiny, NAMES),
        lambda: plugin.predict(tiny, Image.new("RGB", (9, 9))),
    ):
        with pytest.raises(IncompatibleError, match="128 channels.*has 16.*Tune it again"):
            use()


def test_class_specific_contexts_need_their_class_list(old, new):
    plugin = fit(METHODS[1], old, toy_dataset(4), views=1)
    assert plugin.match(new, ("a", "b")).kind == "incompatible" and plugin.match(new, NAMES).kind == "compatible"
    with pytest.raises(IncompatibleError, match="belong to 3 classes .* 2 class names were given"):
        plugin.class_weights(old, ("a", "b"))


def test_a_plugin_that_does_not_fit_encodes_nothing_first(old):
    plugin, split = fit(METHODS[1], old, toy_dataset(4), views=1), toy_split("test", 1)
    with pytest.raises(IncompatibleError):
        plugin.logits(tiny_backbone(), split)
    assert isinstance(split.images, ToyImages) and split.images.opened == []


@pytest.mark.parametrize("lost", ["ctx", "attn.q.weight", "attn.o.bias"])
def test_a_plugin_that_lost_a_tensor_is_incompatible(plugin, old, lost):
    part = dataclasses.replace(plugin, tensors={n: t for n, t in plugin.tensors.items() if n != lost})
    assert part.match(old).kind == "incompatible" and lost in part.match(old).why
    with pytest.raises(IncompatibleError, match=lost):
        part.logits(old, toy_split("test", 1))


@pytest.mark.parametrize("shape", [(128,), (2, 64), (3, 2, 128)])
def test_a_plugin_whose_tensors_do_not_belong_together_is_incompatible(plugin, old, shape):
    odd = dataclasses.replace(plugin, tensors={**plugin.tensors, "ctx": torch.zeros(shape)})
    assert odd.match(old).kind == "incompatible"


def test_class_specific_contexts_are_not_used_for_other_classes_or_another_order(old, new):
    data = toy_dataset()
    tuned = fit(CoOp(n_ctx=2, csc=True, recipe=Recipe(epochs=1)), old, data, views=1)
    assert tuned.match(new).kind == "compatible"
    for names in (NAMES[::-1], ("cat", "dog", "bird")):
        assert "other classes or another order" in tuned.match(new, names).why
        with pytest.raises(IncompatibleError, match="other classes or another order"):
            tuned.class_weights(new, names)


def test_a_single_string_is_not_taken_for_a_list_of_letters(plugin, old):
    for call in (lambda: plugin.class_weights(old, "owl"), lambda: old.encode_text("owl")):
        with pytest.raises(ConfigError, match=r"Write \['owl'\]"):
            call()


def test_a_plugin_remembers_what_it_started_from_and_how_long_it_took(plugin, old):
    method = CoOp(n_ctx=2, recipe=Recipe(epochs=1))
    first = fit(method, old, toy_dataset(), views=1)
    assert fit(method, old, toy_dataset(), views=1, init=first).origin["init"] == first.stamp
    assert first.origin["init"] is None and first.origin["seconds"] >= 0
