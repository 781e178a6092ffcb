"""Upgrades and chains by name."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones import upgrade as module
from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.backbones.upgrade import (
    UPGRADES,
    Upgrade,
    later_weights,
    load_chain,
    load_upgrade,
    name_upgrade,
    shipped_weights,
)
from clipcompat.common.errors import CheckpointError, ConfigError, UnknownNameError
from clipcompat.common.files import hash_file
from tests.tiny import tiny_backbone


@pytest.fixture
def asked(monkeypatch):
    """What load_backbone was asked for; nothing is loaded."""
    calls = []

    def note(name, pretrained=None, **options):
        calls.append((name, pretrained))
        return calls[-1]

    monkeypatch.setattr(module, "load_backbone", note)
    return calls


def test_mini_with_random_weights_is_an_old_and_a_new_backbone():
    pair = load_upgrade("mini", old_weights="random:1", new_weights="random:2", device="cpu")
    assert (pair.name, pair.old.name, pair.new.name) == ("mini", "mini-old", "mini-new")
    assert pair.old.stamp != pair.new.stamp and pair.old.width == pair.new.width
    assert (pair.old.text.activation, pair.new.text.activation) == ("quick_gelu", "gelu")


def test_each_seed_gives_weights_and_a_stamp_of_its_own():
    one, two, again = (load_upgrade("mini", old_weights=f"random:{s}", new_weights="random:9") for s in (1, 2, 1))
    assert one.old.stamp == again.old.stamp != two.old.stamp and one.new.stamp == two.new.stamp


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("clip-to-eva-vit-b-16", ("ViT-B-16-quickgelu", "openai"), ("EVA02-B-16", "merged2b_s8b_b131k")),
        ("clip-to-eva-vit-l-14", ("ViT-L-14-quickgelu", "openai"), ("EVA02-L-14", "merged2b_s4b_b131k")),
    ],
)
def test_real_upgrades_are_the_papers_models_with_quickgelu_for_clip(asked, name, old, new):
    pair = load_upgrade(name)
    assert (pair.old, pair.new) == (old, new)
    assert load_chain(name) == (old, new)


def test_activation_only_runs_the_same_weights_with_another_activation():
    mini, identity = load_upgrade("mini-activation-only", device="cpu"), load_upgrade("mini-identity", device="cpu")
    assert (mini.old.text.activation, mini.new.text.activation) == ("quick_gelu", "gelu")
    ours, theirs = mini.new._model.state_dict(), mini.old._model.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert mini.old.stamp == identity.new.stamp != mini.new.stamp
    assert mini.new.source.startswith("shipped weights of mini-old, run with another activation (sha256 ")
    assert shipped_weights("mini-activation-only") == shipped_weights("mini-identity")
    assert load_chain("mini-activation-only", device="cpu")[1].stamp == mini.new.stamp


def test_the_real_activation_only_control_asks_for_what_is_refused_otherwise(monkeypatch):
    asked = []
    monkeypatch.setattr(
        module, "load_backbone", lambda *model, device, dtype, **control: asked.append((model, control))
    )
    wanted = [(("ViT-B-16-quickgelu", "openai"), {}), (("ViT-B-16", "openai"), {"other_activation": True})]
    load_upgrade("clip-activation-only-vit-b-16")
    load_chain("clip-activation-only-vit-b-16")
    assert asked == 2 * wanted
    asked.clear()
    load_upgrade("clip-to-eva-vit-b-16")
    assert [control for _, control in asked] == [{}, {}]


def test_given_weights_replace_the_default_of_their_side_only(asked):
    assert load_upgrade("clip-to-eva-vit-b-16", old_weights="random:3").old == ("ViT-B-16-quickgelu", "random:3")
    assert asked[1] == ("EVA02-B-16", "merged2b_s8b_b131k")
    assert load_upgrade("clip-to-eva-vit-b-16", new_weights="x.pt").new == ("EVA02-B-16", "x.pt")
    assert asked[2] == ("ViT-B-16-quickgelu", "openai")


def test_a_chain_starts_with_the_upgrade_of_its_name(asked):
    for name in UPGRADES:
        pair = load_upgrade(name)
        assert load_chain(name)[:2] == (pair.old, pair.new)
        assert load_chain(name, after=2) == load_chain(name)[2:]


def test_what_is_left_out_of_a_chain_is_not_loaded(asked):
    load_chain("mini", after=2)
    assert asked == [("mini-newer", None)]


def test_unknown_names_are_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="'clip-to-eva-vit-b-16'"):
        load_upgrade("clip-to-eva-vit-b16")
    with pytest.raises(UnknownNameError, match="unknown upgrade.*mini"):
        load_chain("minni")


def test_weights_that_cannot_be_had_are_refused(tmp_path):
    with pytest.raises(CheckpointError):
        load_upgrade("mini", old_weights=tmp_path / "none.safetensors", new_weights="random:1")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ViT-B-16:laion2b_s34b_b88k,EVA02-B-16:x.pt", [("ViT-B-16", "laion2b_s34b_b88k"), ("EVA02-B-16", "x.pt")]),
        (
            "mini-old, mini-new:random:3 ,mini-newer",
            [("mini-old", None), ("mini-new", "random:3"), ("mini-newer", None)],
        ),
    ],
)
def test_an_upgrade_is_also_a_list_of_its_generations(asked, name, expected):
    pair = load_upgrade(name)
    assert [pair.old, pair.new] == expected[:2] and pair.name == name
    assert list(load_chain(name)) == expected


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ViT-B-16:openai", "has an old and a new generation"),
        ("ViT-B-16,EVA02-B-16:merged2b_s8b_b131k", "not 'ViT-B-16'"),
        ("mini-old,", "not ''"),
        (":openai,mini-old", "not ':openai'"),
    ],
)
def test_a_list_of_generations_that_lacks_a_part_is_refused(name, says):
    with pytest.raises(ConfigError, match=says):
        load_upgrade(name)


def test_a_listed_upgrade_is_named_by_content_and_not_by_place(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"weights")
    sha = f"sha256:{hash_file(file)}"
    listed = f"mini-old:{file},mini-new,mini-newer:{file},mini-newer,ViT-B-16:openai"
    assert name_upgrade(listed) == f"mini-old:{sha},mini-new,mini-newer:{sha},mini-newer,ViT-B-16:openai"
    assert shipped_weights(listed) == (None, shipped_weights("mini")[1])
    assert later_weights(listed) == [f"mini-newer:{sha}", *later_weights("mini"), "ViT-B-16:openai"]
    assert name_upgrade("mini") == "mini" and later_weights("mini")[0].startswith("mini-newer:sha256:")
    assert later_weights("clip-to-eva-vit-b-16") == []


def test_own_backbones_make_an_upgrade(mini_old, mini_new):
    pair = Upgrade(mini_old, mini_new)
    assert pair.old is mini_old and pair.new is mini_new and pair.name == "own"


def test_an_upgrade_is_of_its_backbones_kind_and_its_name_says_so_without_them(mini_old, mini_new, full_size):
    assert {name: upgrade_kind(name) for name in UPGRADES} == {
        name: "public" if name.startswith("clip-") else "mini" for name in UPGRADES
    }
    assert upgrade_kind("own") == upgrade_kind("minni") == upgrade_kind("mini-old,ViT-B-16:openai") == "own"
    assert (upgrade_kind("mini-old,mini-old:x"), upgrade_kind("RN50:cc12m,RN101:openai")) == ("mini", "public")
    assert Upgrade(mini_old, mini_new).kind == "mini" == mini_old.with_dtype(torch.bfloat16).kind
    assert Upgrade(full_size.old, full_size.new).kind == "public" and tiny_backbone().kind == "own"
    assert Upgrade(mini_old, full_size.new).kind == "own"
