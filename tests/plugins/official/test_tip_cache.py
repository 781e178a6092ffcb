"""Tip-Adapter's cache files: keys the other way round, K from the name, alpha and beta from elsewhere."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from clipcompat.common.errors import CheckpointError, IncompatibleError
from clipcompat.methods.tip_adapter import TipAdapter, TipAdapterF
from tests.methods.learners import batch
from tests.official import PHOTO, Bomb, import_toys, refused, write_cache
from tests.tiny import tiny_backbone
from tests.toys import NAMES


@pytest.fixture
def given(old):
    """Imports for the old mini backbone and the toy classes."""
    return partial(import_toys, backbone=old)


@pytest.mark.parametrize("wrap", [lambda t: t, torch.nn.Parameter], ids=["tensor", "parameter"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_cache_comes_back_with_its_keys_the_other_way_round(old, given, tmp_path, wrap, dtype):
    keys, trained, values = write_cache(tmp_path, old, dtype=dtype, wrap=wrap)
    plain, tuned = given(tmp_path, "tip_adapter"), given(tmp_path, "tip_adapter_f")
    assert torch.equal(plain.tensors["keys"], keys) and torch.equal(tuned.tensors["keys"], trained)
    for plugin in (plain, tuned):
        assert torch.equal(plugin.tensors["values"], values) and plugin.match(old).kind == "exact"
        assert all(t.dtype == torch.float32 and t.is_contiguous() for t in plugin.tensors.values())


def test_an_imported_cache_gives_upstreams_logits(old, given, tmp_path):
    """100 · f w + α · exp(−β (1 − f · keys)) values, written down as its code has it, on the file's own layout."""
    write_cache(tmp_path, old)
    plugin = given(tmp_path, TipAdapter(alpha=3.0, beta=5.5))
    features = batch(old)[0]
    f = features / features.norm(dim=-1, keepdim=True)
    stored, values = (torch.load(tmp_path / f"{name}_2shots.pt").float() for name in ("keys", "values"))
    clip_logits = 100.0 * f @ old.encode_text([PHOTO.format(n) for n in NAMES]).T
    expected = clip_logits + ((-1) * (5.5 - 5.5 * (f @ stored))).exp() @ values * 3.0
    came = plugin.method.logits(plugin.tensors, old, features, NAMES, PHOTO)
    torch.testing.assert_close(came, expected, rtol=1e-5, atol=1e-4)


def test_alpha_and_beta_are_the_methods_or_upstreams_before_its_search(old, given, tmp_path, caplog):
    write_cache(tmp_path, old)
    searched = given(tmp_path, TipAdapterF(alpha=2.5, beta=4.0), dataset="eurosat")
    assert (float(searched.tensors["alpha"]), float(searched.tensors["beta"])) == (2.5, 4.0)
    assert searched.origin["mixture"] == "as given" and not caplog.records
    for dataset, alpha in (("EuroSAT", 2.0), ("oxford_flowers[base]", 10.0), (None, 1.17), ("mine", 1.17)):
        plugin = given(tmp_path, "tip_adapter", dataset=dataset)
        assert float(plugin.tensors["alpha"]) == pytest.approx(alpha) and float(plugin.tensors["beta"]) == 1.0
        assert plugin.origin["mixture"] == "upstream's before its search" and plugin.method.search is False
        assert "not in Tip-Adapter's files" in caplog.text
        caplog.clear()


def test_the_origin_of_a_cache_names_its_files_shots_and_how_its_epoch_was_chosen(old, given, tmp_path):
    write_cache(tmp_path, old)
    origin = given(tmp_path, "tip_adapter_f").origin
    assert "best_F_2shots.pt, sha256 " in origin["source"] and "; values_2shots.pt, sha256 " in origin["source"]
    assert origin["shots"] == 2 and "best test accuracy" in origin["select_on"]
    assert given(tmp_path, "tip_adapter").origin["select_on"] is None
    imagenet = given(tmp_path, "tip_adapter", template=None, dataset="imagenet").origin["template"]
    assert len(imagenet) == 7 and "itap of a {}." in imagenet


def test_the_number_of_shots_decides_among_several_caches(old, given, tmp_path):
    write_cache(tmp_path, old, shots=2)
    assert given(tmp_path / "keys_2shots.pt", "tip_adapter_f").origin["shots"] == 2
    write_cache(tmp_path, old, shots=16)
    assert len(given(tmp_path, "tip_adapter", shots=16).tensors["keys"]) == 48
    assert len(given(tmp_path / "best_F_2shots.pt", "tip_adapter_f").tensors["keys"]) == 6
    for path, shots, words in (
        (tmp_path, None, "[2, 16] shots"),
        (tmp_path, 4, "no keys_4shots.pt"),
        (tmp_path / "keys_2shots.pt", 16, "2 shots, not 16"),
    ):
        with pytest.raises(CheckpointError) as caught:
            given(path, "tip_adapter", shots=shots)
        refused(caught, words)


def test_caches_that_are_none_are_refused(old, given, tmp_path):
    cases = {"empty": "no keys_<K>shots.pt", "none": "no folder and no file", "keys.pt": "not named as"}
    (tmp_path / "empty").mkdir()
    (tmp_path / "keys.pt").write_bytes(b"")
    for name, words in cases.items():
        with pytest.raises(CheckpointError) as caught:
            given(tmp_path / name, "tip_adapter")
        refused(caught, words)
    write_cache(tmp_path / "cache", old)
    with pytest.raises(CheckpointError) as caught:
        given(tmp_path / "cache" / "best_F_2shots.pt", "tip_adapter")
    refused(caught, "import it as 'tip_adapter_f'")
    (tmp_path / "cache" / "values_2shots.pt").unlink()
    with pytest.raises(CheckpointError) as caught:
        given(tmp_path / "cache", "tip_adapter")
    refused(caught, "values_2shots.pt cannot be read")


@pytest.mark.parametrize("name", ["tip_adapter", "tip_adapter_f"])
def test_a_cache_that_does_not_fit_is_refused(old, given, tmp_path, name):
    write_cache(tmp_path, old)
    with pytest.raises(IncompatibleError) as caught:
        given(tmp_path, name, classnames=NAMES[:2])
    refused(caught, "has 3 classes", "2 class names were given")
    with pytest.raises(IncompatibleError) as caught:
        given(tmp_path, name, backbone=tiny_backbone())
    refused(caught, "[6, 16]", "[6, 128]", "tiny")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (torch.full((3, 6), float("nan")), "not finite"),
        (torch.zeros(7, 3), "keys of 6 pictures, values_2shots.pt values of 7"),
        (torch.zeros(6), "[6]"),
        ({"values": torch.zeros(6, 3)}, "is a dict"),
        (pytest, "Python object"),
    ],
)
def test_cache_files_with_something_else_in_them_are_refused(old, given, tmp_path, content, words):
    write_cache(tmp_path, old)
    torch.save(Bomb(tmp_path / "canary") if content is pytest else content, tmp_path / "values_2shots.pt")
    with pytest.raises(CheckpointError) as caught:
        given(tmp_path, "tip_adapter")
    refused(caught, "values_2shots.pt", words)
    assert not (tmp_path / "canary").exists()
