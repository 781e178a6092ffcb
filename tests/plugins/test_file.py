"""A plug-in's file: what was saved is read; what was changed, cut or made by something else is a sentence."""

from __future__ import annotations

import json
import logging
import pickle
import random

import pytest
import torch
from safetensors.torch import save_file

from clipcompat.common.errors import ClipcompatError, PluginError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from tests.plugins.edits import as_earlier, content, save_unsealed, unsealed
from tests.toys import toy_dataset


@pytest.fixture
def plugin(old):
    return fit(CoOp(n_ctx=2, recipe=Recipe(epochs=1)), old, toy_dataset(2), views=1)


@pytest.fixture
def saved(plugin, tmp_path):
    return plugin.save(tmp_path / "p.safetensors")


def believed(path, bits, refusals=PluginError) -> list[int]:
    """Of these bits of a file, those after whose flip it is still read. No flip may end in another error."""
    whole, found = path.read_bytes(), []
    with path.open("r+b", buffering=0) as file:
        for bit in bits:
            file.seek(bit // 8)
            file.write(bytes([whole[bit // 8] ^ 1 << bit % 8]))
            try:
                load_plugin(path)
            except refusals as error:
                assert path.name in str(error) and len(str(error)) < 500
            else:
                found.append(bit)
            file.seek(bit // 8)
            file.write(whole[bit // 8 : bit // 8 + 1])
    assert path.read_bytes() == whole and load_plugin(path)
    return found


def test_no_flipped_bit_of_the_header_or_the_tensors_is_believed(saved):
    data = saved.read_bytes()
    header = 8 * (8 + int.from_bytes(data[:8], "little"))
    tensors = random.Random(1).sample(range(header, 8 * len(data)), 500)
    assert believed(saved, [*range(header), *tensors]) == []


def test_no_flipped_bit_of_a_plugin_without_tensors_is_believed(old, tmp_path):
    path = fit(ZeroShot(), old, toy_dataset(2)).save(tmp_path / "p")
    assert believed(path, range(8 * len(path.read_bytes()))) == []


def test_a_flipped_bit_in_a_file_of_an_earlier_version_ends_in_a_sentence_too(saved):
    as_earlier(saved)
    bits = random.Random(1).sample(range(8 * len(saved.read_bytes())), 2000)
    believed(saved, bits, ClipcompatError)


@pytest.mark.parametrize(
    "change",
    [
        lambda h, t: h["origin"]["backbone"].update(stamp="another"),
        lambda h, t: h["origin"].update(epochs=999),
        lambda h, t: h["origin"]["classnames"].reverse(),
        lambda h, t: h["origin"].update(note="new"),
        lambda h, t: h["method"].update(name="kgcoop", config={}),
        lambda h, t: h["method"]["config"].update(n_ctx=3),
        lambda h, t: h.update(version="9"),
        lambda h, t: h.update(checksum="0" * 64),
        lambda h, t: h.pop("checksum"),
        lambda h, t: h.pop("stamp"),
        lambda h, t: t.update(ctx=t["ctx"] + 1),
        lambda h, t: t.update(ctx=t["ctx"].view(torch.int32)),
        lambda h, t: t.update(ctx=t["ctx"].view(4, 64)),
        lambda h, t: t.update(ctx2=t.pop("ctx")),
        lambda h, t: t.update(more=torch.zeros(1)),
        lambda h, t: t.pop("ctx"),
    ],
)
def test_an_edit_by_hand_is_not_believed(saved, change):
    unsealed(saved, change)
    with pytest.raises(PluginError, match="its checksum|as I32; expected F32"):
        load_plugin(saved)


def test_equal_plugins_have_equal_files(plugin, tmp_path):
    first, second = plugin.save(tmp_path / "a"), load_plugin(tmp_path / "a").save(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_a_file_of_an_earlier_version_is_read_with_a_warning_and_never_called_exact(plugin, saved, old, new, caplog):
    as_earlier(saved)
    with caplog.at_level(logging.WARNING):
        earlier = load_plugin(saved)
    (warning,) = [r.getMessage() for r in caplog.records if r.name == "clipcompat.plugins.plugin"]
    assert saved.name in warning and "cannot be verified" in warning
    assert earlier.method == plugin.method and earlier.origin == {**plugin.origin, "unverified": True}
    assert torch.equal(earlier.tensors["ctx"], plugin.tensors["ctx"])
    assert plugin.match(old).kind == "exact"
    assert earlier.match(old).kind == "compatible" and "has no checksum" in earlier.match(old).why
    assert earlier.match(new).kind == "compatible"


def test_saving_a_plugin_of_an_earlier_version_does_not_make_it_a_verified_one(saved, tmp_path):
    as_earlier(saved)
    again = load_plugin(load_plugin(saved).save(tmp_path / "again"))
    assert again.origin["unverified"] is True


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved, share):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PluginError, match="not a whole safetensors file") as caught:
        load_plugin(saved)
    assert saved.name in str(caught.value)


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    for data in (b"\x93NUMPY" + bytes(200), bytes(range(256)) * 9, b"{}", (2**60).to_bytes(8, "little") + b"{}"):
        path.write_bytes(data)
        with pytest.raises(PluginError, match="not a whole safetensors file"):
            load_plugin(path)
    for missing, says in (
        (tmp_path / "none", "there is no plug-in file .* Check the path"),
        (tmp_path, "is a folder; "),
    ):
        with pytest.raises(PluginError, match=says):
            load_plugin(missing)


@pytest.mark.parametrize(
    "metadata",
    [None, {"format": "pt"}, {"clipcompat": "7"}, {"clipcompat": '{"format": "x"}'}, {"clipcompat": "{}", "x": "y"}],
)
def test_tensors_without_our_header_are_refused(tmp_path, metadata):
    save_file({"ctx": torch.zeros(2, 128)}, tmp_path / "x", metadata)
    with pytest.raises(PluginError, match="no plug-in header of format clipcompat-plugin-2"):
        load_plugin(tmp_path / "x")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, '{"a": 1}]', ""])
def test_a_header_that_is_not_json_is_refused(saved, text):
    save_unsealed(saved, text, content(saved)[1])
    with pytest.raises(PluginError, match="header that is not JSON"):
        load_plugin(saved)


def test_a_header_of_this_version_without_a_checksum_is_refused(saved):
    header, tensors = content(saved)
    del header["checksum"]
    save_unsealed(saved, json.dumps(header), tensors)
    with pytest.raises(PluginError, match="no plug-in header of format clipcompat-plugin-2 with its checksum"):
        load_plugin(saved)


def test_loading_runs_nothing(tmp_path):
    class Bomb:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    (tmp_path / "x.safetensors").write_bytes(pickle.dumps(Bomb()))
    torch.save({"ctx": Bomb()}, tmp_path / "y.safetensors")
    for name in ("x", "y"):
        with pytest.raises(PluginError):
            load_plugin(tmp_path / f"{name}.safetensors")
    assert not (tmp_path / "ran").exists()
