"""Files of weights are recognised by what is in them, and unreadable ones are refused with a sentence."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from clipcompat.backbones.weights.checkpoints import read_checkpoint
from clipcompat.common.errors import CheckpointError
from clipcompat.common.files import hash_file

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.arange(3).half()}


def assert_read(path, format):
    checkpoint = read_checkpoint(path)
    assert checkpoint.format == format
    assert checkpoint.sha256 == hash_file(path)
    assert checkpoint.quick_gelu is None
    assert checkpoint.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert checkpoint.tensors[name].dtype == tensor.dtype
        assert torch.equal(checkpoint.tensors[name], tensor)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "weights"])
def test_safetensors_are_known_by_content(tmp_path, name):
    save_file(TENSORS, tmp_path / name)
    assert_read(tmp_path / name, "safetensors")


@pytest.mark.parametrize("name", ["weights.pt", "weights.bin", "weights.safetensors"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_state_dicts_are_known_by_content(tmp_path, name, zipped):
    torch.save(TENSORS, tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert_read(tmp_path / name, "state dict")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", ["state_dict", "model", "module", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module._orig_mod.", "_orig_mod.model.module."])
def test_wrappers_and_their_prefixes_are_taken_off(tmp_path, wrapper, zipped, prefix):
    state = {f"{prefix}{name}": nn.Parameter(t) for name, t in TENSORS.items()}
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(2))]).state_dict()
    content = {"epoch": 3, "name": "run", wrapper: state, "optimizer": optimizer}
    torch.save(content, tmp_path / "epoch.pt", _use_new_zipfile_serialization=zipped)
    assert_read(tmp_path / "epoch.pt", "state dict")


def test_wrappers_may_be_nested_and_a_pickle_that_contains_itself_ends(tmp_path):
    torch.save({"model": {"state_dict": {"module": TENSORS}}}, tmp_path / "x.pt")
    assert_read(tmp_path / "x.pt", "state dict")
    endless = {"epoch": 3}
    endless["model"] = endless
    torch.save(endless, tmp_path / "endless.pt")
    with pytest.raises(CheckpointError, match="no tensors"):
        read_checkpoint(tmp_path / "endless.pt")


def test_prefixes_are_taken_off_in_safetensors_too(tmp_path):
    save_file({f"model.{name}": t for name, t in TENSORS.items()}, tmp_path / "x.safetensors")
    assert_read(tmp_path / "x.safetensors", "safetensors")


def test_a_prefix_that_not_every_name_has_stays(tmp_path):
    torch.save({"module.a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "x.pt")
    assert read_checkpoint(tmp_path / "x.pt").tensors.keys() == {"module.a", "b"}


def test_openai_numbers_are_told_apart_from_tensors(tmp_path):
    torch.save({**TENSORS, "input_resolution": 224, "vocab_size": torch.tensor(49408)}, tmp_path / "x.pt")
    checkpoint = read_checkpoint(tmp_path / "x.pt")
    assert checkpoint.numbers == {"input_resolution": 224, "vocab_size": 49408}
    assert checkpoint.tensors.keys() == TENSORS.keys()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 5\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>not found</html>", "web page"),
        (b"these are my weights\n", "neither safetensors nor"),
        (b"\x00" * 100, "neither safetensors nor"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (b"\x80\x02" + bytes(100), "state dict"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{ not json at all", "looks like safetensors"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content, says):
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(tmp_path / "weights.pt")


def test_a_missing_path_and_a_folder_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no file .*gone\.pt"):
        read_checkpoint(tmp_path / "gone.pt")
    with pytest.raises(CheckpointError, match="is a folder"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "before PyTorch 1.6"])
@pytest.mark.parametrize("kept", [0.1, 0.6, 0.95])
def test_truncated_files_are_refused(tmp_path, kind, kept):
    path = tmp_path / "weights"
    big = {"a": torch.randn(50, 50), "b": torch.randn(50)}
    if kind == "safetensors":
        save_file(big, path)
    else:
        torch.save(big, path, _use_new_zipfile_serialization=kind == "zip")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(CheckpointError, match="weights"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(2)], torch.zeros(2), 5])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="no tensors|not a state dict"):
        read_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_module_is_refused_with_the_way_out(tmp_path, zipped):
    torch.save(nn.Linear(2, 2), tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"Python objects?.*safetensors"):
        read_checkpoint(tmp_path / "x.pt")
