"""Checkpoints of TaskRes, CLAP and ProLIP: what was learned comes back, and the text features beside it are dropped."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import CheckpointError, ConfigError, IncompatibleError
from clipcompat.methods.deep.prolip import ProLIP
from clipcompat.methods.deep.taskres import TaskRes
from clipcompat.plugins.plugin import load_plugin
from tests.methods.learners import plugin_of
from tests.official import learned, refused, write_run
from tests.toys import NAMES, toy_split

FILES = {  # entry, ours, folder, what lies beside it
    "taskres": ("text_feature_residuals", "residual", "prompt_learner", ("base_text_features",)),
    "zs_lp": ("prototypes", "weight", "adapter", ("base_text_features", "logit_scale")),
    "clap": ("prototypes", "weight", "adapter", ("base_text_features", "logit_scale")),
}


def written(path, backbone, name):
    """The output folder of an official run, and the tensor in it."""
    entry, _, folder, beside = FILES[name]
    tensor = learned((len(NAMES), backbone.dim), 4, 0.5)
    dropped = {key: learned((len(NAMES), backbone.dim) if "text" in key else (), 5) for key in beside}
    return write_run(path, {entry: tensor, **dropped}, folder), tensor


@pytest.mark.parametrize("name", FILES)
def test_it_comes_back_to_the_last_bit_acts_like_any_other_and_is_saved(old, new, official_import, name, tmp_path):
    out, tensor = written(tmp_path / "run", old, name)
    plugin, ours = official_import(out, name), FILES[name][1]
    assert torch.equal(plugin.tensors[ours], tensor) and plugin.match(old).kind == "exact"
    plain = plugin_of(plugin.method, {**plugin.tensors}, old)
    again, split = load_plugin(plugin.save(tmp_path / "p.safetensors")), toy_split("test", 2)
    for backbone in (old, new):
        assert torch.equal(again.logits(backbone, split), plain.logits(backbone, split))


def test_the_scale_of_a_residual_is_upstreams_for_the_dataset_or_as_given(old, official_import, tmp_path):
    out, _ = written(tmp_path, old, "taskres")
    found = [official_import(out, "taskres", dataset=d).tensors["alpha"] for d in ("dtd", "oxford_flowers", None)]
    assert [float(alpha) for alpha in found] == [0.5, 1.0, 0.5]
    given = official_import(out, TaskRes(alpha=0.25)).tensors["alpha"]
    assert float(given) == 0.25
    with pytest.raises(ConfigError, match="whose template is not in the file"):
        official_import(out, "taskres", template=None)


def test_a_file_of_the_other_method_or_of_other_classes_is_refused(old, official_import, tmp_path):
    out, _ = written(tmp_path, old, "clap")
    with pytest.raises(CheckpointError) as caught:
        official_import(out / "adapter", "taskres")
    refused(caught, "is no checkpoint of taskres", "It looks like one of zs_lp or clap.")
    with pytest.raises(IncompatibleError, match=r"weight should be \[2, 128\], but is \[3, 128\]"):
        official_import(out, "clap", classnames=NAMES[:2])


def test_the_projection_of_prolip_comes_back_and_its_difference_cannot(old, new, official_import, tmp_path):
    path, matrix = tmp_path / "dtd_seed1.pth", learned((old.penultimate, old.dim), 6, 0.5)
    torch.save({"vit_proj": matrix}, path)
    plugin = official_import(path, "prolip")
    assert torch.equal(plugin.tensors["projection"], matrix) and plugin.match(new).kind == "compatible"
    with pytest.raises(ConfigError, match="tell carried='projection', but the given ProLIP has carried='difference'"):
        official_import(path, ProLIP(carried="difference"))
    torch.save({"linear.weight": matrix, "linear.bias": matrix[0]}, path)
    with pytest.raises(CheckpointError, match="it lacks vit_proj and it holds linear.weight, linear.bias"):
        official_import(path, "prolip")
