"""The main job at full size: CLIP to EVA-CLIP on JPEGs, from local checkpoints in the formats they are published in."""

from __future__ import annotations

from dataclasses import fields

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from clipcompat.cli import main
from clipcompat.methods import KNOWN
from clipcompat.plugins.fit import fit
from clipcompat.runs.records import find_records
from clipcompat.training.recipe import Recipe
from tests.backbones.weights.archives import save_script
from tests.toys import toy_dataset
from tests.trees import write_eurosat

MAPS = {f"attn.{name}.weight": (512, 512) for name in "qkvo"}
META = {
    "meta_net.linear1.weight": (32, 512),
    "meta_net.linear1.bias": (32,),
    "meta_net.linear2.weight": (512, 32),
    "meta_net.linear2.bias": (512,),
}
CACHE = {"keys": (3, 512), "values": (3, 3), "alpha": (), "beta": ()}
WITHOUT_TEACHER = [name for name, kind in KNOWN.items() if not kind().takes_teacher]
SHAPES = {  # with three classes of one picture
    "zero_shot": {},
    "linear_probe": {"weight": (3, 768), "bias": (3,), "c": ()},
    "clip_adapter": {"fc.0.weight": (128, 512), "fc.2.weight": (512, 128), "ratio": ()},
    "tip_adapter": CACHE,
    "tip_adapter_f": CACHE,
    "coop": {"ctx": (16, 512)},
    "cocoop": {"ctx": (4, 512), **META},
    "kgcoop": {"ctx": (4, 512)},
    "contcoop": {"ctx": (16, 512), **MAPS},
    "dpc": {"stage1.ctx": (16, 512), "parallel.ctx": (16, 512)},
    "maple": {
        "ctx": (2, 512),
        "proj.weight": (768, 512),
        "proj.bias": (768,),
        "deep": (8, 2, 512),
        "deep_proj.weight": (8, 768, 512),
        "deep_proj.bias": (8, 768),
    },
    "promptsrc": {"ctx": (4, 512), "visual": (4, 768), "deep": (8, 4, 512), "deep_visual": (8, 4, 768)},
    "gda": {"weight": (3, 512), "bias": (3,), "alpha": ()},
    "taskres": {"residual": (3, 512), "alpha": ()},
    "zs_lp": {"weight": (3, 512)},
    "clap": {"weight": (3, 512)},
    "lp_plus_plus": {"weight": (3, 512), "bias": (3,), "alpha": (3,)},
    "prolip": {"projection": (768, 512)},
    "clip_lora": {
        "text.down": (12, 3, 2, 512),
        "text.up": (12, 3, 512, 2),
        "image.down": (12, 3, 2, 768),
        "image.up": (12, 3, 768, 2),
    },
}


@pytest.fixture
def checkpoints(full_size, tmp_path):
    """ViT-B/16 as OpenAI's TorchScript archive, EVA02-B/16 as safetensors; random weights."""
    old = save_script(
        full_size.old._model, tmp_path / "ViT-B-16.pt", torch.zeros(1, 3, 224, 224), open_clip.tokenize(["x"])
    )
    new = tmp_path / "open_clip_model.safetensors"
    save_file(dict(full_size.new._model.state_dict()), new)
    yield str(old), str(new)
    old.unlink()  # 1.2 GB together
    new.unlink()


def test_the_main_job_runs_at_full_size_on_jpegs(full_size, checkpoints, tmp_path, capsys):
    root, out = write_eurosat(tmp_path / "data", classes=2, train=2, val=1, test=2), tmp_path / "out"
    run = [
        "run",
        "--method",
        "contcoop",
        "--dataset",
        "eurosat",
        "--root",
        str(root),
        "--upgrade",
        "clip-to-eva-vit-b-16",
        "--old-weights",
        checkpoints[0],
        "--new-weights",
        checkpoints[1],
        "--seeds",
        "1",
        "--shots",
        "2",
        "--views",
        "1",
        "--no-retrain",
        "--set",
        "recipe.epochs=1",
        "--device",
        "cpu",
        "--dtype",
        "fp32",
        "--out",
        str(out),
    ]
    assert main(run) == 0
    (record,) = find_records(out)
    shown = capsys.readouterr().out
    assert "clip-to-eva-vit-b-16*" in shown and "not the upgrade's own weights" in shown
    for side, name, file in (("old", "ViT-B-16-quickgelu", "ViT-B-16.pt"), ("new", "EVA02-B-16", "open_clip_model.")):
        found = record.backbones[side]
        assert found["name"] == name and found["source"].startswith(file) and "tag" not in found["source"]
        assert found["stamp"] == getattr(full_size, side).stamp  # every weight arrived
        assert record.inputs[f"{side}_weights"].startswith("sha256:")
    (row,) = record.per_seed
    assert row["old"] in (0.0, 25.0, 50.0, 75.0, 100.0) and row["views"] == 1 and row["retrained"] is None
    assert row["indices"]["train"] and str(tmp_path) not in next(out.rglob("*.json")).read_text()
    assert main(run) == 0 and "already done" in capsys.readouterr().err  # without loading a backbone again


@pytest.mark.parametrize("name", WITHOUT_TEACHER)
def test_every_method_is_tuned_on_clip_and_carried_to_eva_clip(full_size, name):
    """Tensors have the published sizes, fit both towers, and give logits that differ between them."""
    data = toy_dataset(1)
    wanted = {"recipe": Recipe(epochs=1, batch_size=3), "search": False, "c": 1.0, "passes": 1}
    known = {f.name for f in fields(KNOWN[name])}
    method = KNOWN[name](**{k: v for k, v in wanted.items() if k in known})
    plugin = fit(method, full_size.old, data, views=1)
    assert {n: tuple(t.shape) for n, t in plugin.tensors.items()} == SHAPES[name]
    assert [plugin.match(b).kind for b in (full_size.old, full_size.new)] == ["exact", "compatible"]
    pictures = data.val  # six of them
    on_old, on_new = (plugin.logits(b, pictures) for b in (full_size.old, full_size.new))
    assert on_old.shape == (6, 3) and on_old.isfinite().all() and on_new.isfinite().all()
    assert not torch.allclose(on_old, on_new)


def test_a_student_on_clip_learns_from_eva_clip_and_is_carried_to_it(full_size):
    method, data = KNOWN["promptkd"](recipe=Recipe(epochs=1, batch_size=3)), toy_dataset(1)
    teacher = (fit(KNOWN["zero_shot"](), full_size.new, data), full_size.new)
    plugin = fit(method, full_size.old, data, views=1, teacher=teacher)
    assert {n: tuple(t.shape) for n, t in plugin.tensors.items()} == {
        "visual": (4, 768),
        "deep_visual": (8, 4, 768),
        "classes": (3, 512),
        **{f"projector.{layer}.weight": (512, 512) for layer in (0, 3)},
        **{f"projector.{layer}.bias": (512,) for layer in (0, 3)},
        **{f"projector.1.{name}": (512,) for name in ("weight", "bias", "mean", "variance")},
    }
    on_old, on_new = (plugin.logits(b, data.val) for b in (full_size.old, full_size.new))
    assert on_old.shape == (6, 3) and on_old.isfinite().all() and not torch.allclose(on_old, on_new)
