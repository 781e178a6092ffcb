"""On a GPU: the same numbers as on the CPU, in the types the policy picks. Skipped where there is none."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F

from clipcompat.backbones.load import load_backbone
from clipcompat.features.encode import encode_split, encode_together, encode_views, take
from clipcompat.methods import KNOWN
from clipcompat.plugins.fit import fit, fit_many
from clipcompat.studies.accuracy import accuracy
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

pytestmark = pytest.mark.cuda
SHORT = Recipe(epochs=4, batch_size=8)


def pair(name: str, dtype: str = "fp32"):
    return (load_backbone(name, "random:1", device=d, dtype=dtype if d == "cuda" else "fp32") for d in ("cpu", "cuda"))


def method(name: str):
    """Trained for a few steps; nothing is searched, because a search may tip over on a rounding error."""
    wanted = {"n_ctx": 4, "ctx_init": None, "recipe": SHORT, "search": False, "c": 1.0}
    known = {f.name for f in fields(KNOWN[name])}
    return KNOWN[name](**{k: v for k, v in wanted.items() if k in known})


@pytest.mark.parametrize("name", ["mini-old", "mini-new", "ViT-B-16-quickgelu", "EVA02-B-16"])
def test_features_are_those_of_the_cpu(name):
    cpu, cuda = pair(name)
    split = toy_dataset().test
    torch.testing.assert_close(encode_split(cuda, split).cpu(), encode_split(cpu, split), rtol=1e-3, atol=1e-3)
    texts = ["a red fox.", "an owl", "a photo of a snow leopard cub."]
    torch.testing.assert_close(cuda.encode_text(texts).cpu(), cpu.encode_text(texts), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ["mini-old", "mini-new", "ViT-B-16-quickgelu", "EVA02-B-16"])
def test_features_in_half_types_point_the_same_way(name, dtype):
    (cpu, half), split = pair(name, dtype), toy_dataset().test
    alike = F.cosine_similarity(encode_split(half, split).cpu(), encode_split(cpu, split))
    assert alike.min() > 0.999


def test_both_backbones_are_fed_from_one_look_at_each_picture():
    old, new = (load_backbone(name, "random:1", device="cuda", dtype="fp32") for name in ("mini-old", "mini-new"))
    split = toy_dataset().test
    together = encode_together([(old, "projected"), (new, "projected")], split)
    assert len(split.images.opened) == len(split) and all(rows.device.type == "cuda" for rows in together)
    for backbone, rows in zip((old, new), together, strict=True):
        backbone.memory.clear()
        torch.testing.assert_close(encode_split(backbone, split), rows)


def test_features_too_many_for_the_gpu_stay_on_the_host_and_come_over_in_batches(monkeypatch, tmp_path):
    cuda, split = load_backbone("mini-old", "random:1", device="cuda", dtype="fp32"), toy_dataset().train
    on_gpu = encode_views(cuda, split, 2, 1, (0.5, 1.0), tmp_path)
    cuda.memory.clear()
    monkeypatch.setattr("clipcompat.features.encode._SHARE", 0)
    on_host = encode_views(cuda, split, 2, 1, (0.5, 1.0), tmp_path)
    assert (on_gpu.device.type, on_host.device.type) == ("cuda", "cpu")
    which, images = torch.tensor([1, 0, 1]), torch.tensor([3, 0, 7])
    batch = take(on_host, which, images, cuda.device)
    assert batch.device.type == "cuda" and torch.equal(batch, take(on_gpu, which, images, cuda.device))


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_types_stay_near(dtype):
    cpu, cuda = pair("ViT-B-16-quickgelu", dtype)
    texts = ["a red fox.", "an owl"]
    assert (cuda.encode_text(texts).cpu() * cpu.encode_text(texts)).sum(-1).min() > 0.995


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", sorted(name for name, kind in KNOWN.items() if not kind().takes_teacher))
def test_every_method_trains_and_is_tested(name, dtype):
    cpu, cuda = pair("mini-old", dtype)
    data = toy_dataset(8)
    on_cpu, on_cuda = (fit(method(name), b, data, views=2) for b in (cpu, cuda))
    assert all(t.device.type == "cpu" and torch.isfinite(t).all() for t in on_cuda.tensors.values())
    assert 0 <= accuracy(on_cuda, cuda, data.test) <= 100
    watched = {"clip_adapter": "fc.2.weight", "tip_adapter_f": "keys"}.get(name, "ctx")
    if watched in on_cpu.tensors:
        # steps were taken, none of them skipped: what half types learn is near what float32 does
        start = fit(replace(method(name), recipe=replace(SHORT, epochs=1, lr=0.0, warmup_lr=0.0)), cpu, data, views=2)
        moved = on_cpu.tensors[watched] - start.tensors[watched]
        error = on_cuda.tensors[watched] - on_cpu.tensors[watched]
        assert moved.norm() > 0 and error.norm() < 0.3 * moved.norm()
    if dtype == "fp32":
        for tensor, found in on_cpu.tensors.items():
            torch.testing.assert_close(on_cuda.tensors[tensor], found, rtol=1e-2, atol=1e-3)


def test_the_policy_picks_a_half_type():
    assert load_backbone("mini-old", "random:1").dtype in (torch.bfloat16, torch.float16)


@pytest.mark.parametrize("name", ["coop", "contcoop", "cocoop", "kgcoop"])
def test_training_by_recorded_steps_is_training_step_by_step(name, monkeypatch):
    cuda = load_backbone("mini-old", "random:1", device="cuda", dtype="fp32")
    long = replace(method(name), recipe=replace(SHORT, epochs=8))
    recorded = fit(long, cuda, toy_dataset(8), views=2)
    monkeypatch.setattr("clipcompat.training.cuda_graphs._WARM_UP", 10**9)
    plain = fit(long, cuda, toy_dataset(8), views=2)
    for tensor, found in plain.tensors.items():
        torch.testing.assert_close(recorded.tensors[tensor], found, rtol=1e-4, atol=1e-5)


def test_runs_side_by_side_are_those_alone():
    cuda = load_backbone("mini-old", "random:1", device="cuda", dtype="fp32")
    data = [toy_dataset(8)] * 3
    for plugin, seed in zip(fit_many(method("coop"), cuda, data, seeds=[1, 2, 3]), (1, 2, 3), strict=True):
        torch.testing.assert_close(
            plugin.tensors["ctx"], fit(method("coop"), cuda, data[0], seed=seed).tensors["ctx"], rtol=1e-4, atol=1e-5
        )


def test_a_tower_that_does_not_fit_is_trained_in_parts():
    """A fifth of a GPU's memory is left; the plan, made from what is free, has to be enough."""
    cuda = load_backbone("ViT-B-16-quickgelu", "random:1", device="cuda", dtype="fp32")
    names = tuple(f"{a} {b}" for a in ("red", "snow", "old") for b in ("fox", "owl", "leopard cub", "whale")) * 80
    torch.cuda.set_per_process_memory_fraction(0.2)
    try:
        plugin = fit(replace(method("contcoop"), recipe=replace(SHORT, epochs=1)), cuda, toy_dataset(1, names), views=1)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert all(torch.isfinite(t).all() for t in plugin.tensors.values())
