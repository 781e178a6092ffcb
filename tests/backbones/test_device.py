"""Devices and autocast types: the policy, and what is refused."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.device import fit_threads, pick_device, pick_dtype
from clipcompat.common.errors import ConfigError, UnknownNameError


@pytest.fixture
def machine(monkeypatch):
    def pretend(cuda=0, mps=False, capability=(8, 0)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(("has", "best"), [({"cuda": 1, "mps": True}, "cuda"), ({"mps": True}, "mps"), ({}, "cpu")])
def test_the_best_device_is_cuda_then_mps_then_cpu(machine, has, best):
    machine(**has)
    assert pick_device() == torch.device(best)


def test_an_explicit_device_is_taken(machine):
    machine(cuda=2)
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device(torch.device("cuda", 1)) == torch.device("cuda:1")


@pytest.mark.parametrize("device", ["cuda", "mps", "cuda:0", "gpu", "xpu", "cuda:x", 3.5])
def test_a_device_this_machine_lacks_is_refused(machine, device):
    machine()
    with pytest.raises(ConfigError, match="device"):
        pick_device(device)


def test_a_cuda_index_beyond_the_last_is_refused(machine):
    machine(cuda=2)
    with pytest.raises(ConfigError, match="cuda:1 is the last"):
        pick_device("cuda:2")


@pytest.mark.parametrize(
    ("device", "capability", "dtype"),
    [
        ("cuda", (9, 0), torch.bfloat16),
        ("cuda", (8, 0), torch.bfloat16),
        ("cuda", (12, 0), torch.bfloat16),
        ("cuda", (7, 5), torch.float16),
        ("cuda", (7, 0), torch.float16),
        ("mps", None, torch.float32),
        ("cpu", None, torch.float32),
    ],
)
def test_the_policy_gives_each_device_its_type(machine, device, capability, dtype):
    machine(cuda=1, mps=True, capability=capability)
    assert pick_dtype(torch.device(device)) == dtype


def test_an_explicit_type_wins():
    for asked in ("fp32", "float32", "torch.float32"):
        assert pick_dtype("cpu", asked) == torch.float32
    for asked in ("bf16", "bfloat16", torch.bfloat16):
        assert pick_dtype("cpu", asked) == torch.bfloat16


def test_fp16_runs_on_gpus_and_is_refused_on_the_cpu(machine):
    machine(cuda=1)
    assert pick_dtype("cuda", "fp16") == torch.float16
    with pytest.raises(ConfigError, match="needs a GPU"):
        pick_dtype("cpu", "fp16")
    with pytest.raises(ConfigError, match="needs a GPU"):
        pick_dtype("cpu", torch.float16)


def test_an_unknown_type_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'bf16'"):
        pick_dtype("cpu", "bf61")
    with pytest.raises(ConfigError, match="float64"):
        pick_dtype("cpu", torch.float64)


def test_narrow_towers_on_the_cpu_train_on_one_thread_and_the_number_is_put_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with fit_threads(torch.device("cpu"), 128):
            assert torch.get_num_threads() == 1
        with fit_threads(torch.device("cpu"), 512):
            assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError), fit_threads(torch.device("cpu"), 128):
            raise RuntimeError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
