"""DPC over CoCoOp, whose class vectors are another image by image: its loss, its negatives and both mixtures."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from clipcompat.common.errors import PluginError
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task
from tests.reference import cocoop, dpc
from tests.toys import NAMES, toy_dataset

QUICK = Recipe(epochs=2, batch_size=3, lr=0.05, warmup_epochs=0)
METHOD = DPC(learner=CoCoOp(n_ctx=2, ctx_init=None, recipe=QUICK), recipe=QUICK, top_k=3, gradient="plain")
OTHERS = ("barn owl", "grey seal")
LABELS = torch.tensor([0, 2, 1, 0, 2])


@pytest.fixture(scope="module")
def tuned(mini_old):
    first = fit(METHOD.learner, mini_old, toy_dataset(), views=2)
    return first, fit(METHOD, mini_old, toy_dataset(), init=first, views=2)


def slow_logits(features, tensors, backbone, names):
    """[image, class]; the context of one image is a CoOp plug-in's."""

    def class_weights(context):
        return CoOp(n_ctx=2).class_weights({"ctx": context}, backbone, list(names), None)

    return cocoop.logits(features, tensors, class_weights, backbone.logit_scale)


def features_of(backbone, count=5):
    return torch.randn(count, backbone.dim, generator=torch.Generator().manual_seed(7))


def test_the_loss_reads_row_i_with_the_prompts_of_image_i_in_both_directions(tuned, mini_old):
    first, _ = tuned
    task = Task(mini_old, toy_dataset(), torch.Generator().manual_seed(1), init=first)
    features = features_of(mini_old)
    z = slow_logits(features, first.tensors, mini_old, NAMES)[:, LABELS]
    expected = torch.zeros(())
    for i in range(len(z)):
        expected = expected - 2 * z[i, i] + z[i].exp().sum().log() + z[:, i].exp().sum().log()
    found = METHOD.setup(task).loss(features, LABELS)
    torch.testing.assert_close(found, expected / (2 * len(z)), atol=1e-4, rtol=1e-4)


def test_negatives_are_ranked_by_each_image_s_own_stage_1_classifier(tuned, mini_old):
    first, _ = tuned
    task = Task(mini_old, toy_dataset(), torch.Generator().manual_seed(1), init=first)
    features, labels = features_of(mini_old, 1), torch.tensor([0])
    logits = slow_logits(features, first.tensors, mini_old, NAMES)
    (expected,) = dpc.hard_negatives(logits, labels, METHOD.top_k)
    drawn = METHOD.setup(task).join(features, labels)
    assert [int(toy_dataset().train.labels[i]) for i in drawn] == expected


def test_only_the_parallel_prompt_and_its_meta_net_move_and_a_file_keeps_both(tuned, mini_old, tmp_path):
    first, plugin = tuned
    for name, tensor in first.tensors.items():
        assert torch.equal(plugin.tensors[f"stage1.{name}"], tensor)
        assert not torch.equal(plugin.tensors[f"parallel.{name}"], tensor), name
    again = load_plugin(plugin.save(tmp_path / "dual.safetensors"))
    test = toy_dataset().test
    assert again.method == METHOD and torch.equal(again.logits(mini_old, test), plugin.logits(mini_old, test))


def test_base_names_have_one_mixture_and_all_others_the_other(tuned, mini_old):
    first, plugin = tuned
    both = replace(METHOD, omega_base=0.3, omega_new=0.1).tuned_on(NAMES)
    names, features = (OTHERS[0], *NAMES[:2], OTHERS[1], NAMES[2]), features_of(mini_old)
    found = both.logits(plugin.tensors, mini_old, features, names)
    for i, name in enumerate(names):
        omega = 0.3 if name in NAMES else 0.1
        mixed = {k: dpc.mixed(plugin.tensors[f"parallel.{k}"], t, omega) for k, t in first.tensors.items()}
        torch.testing.assert_close(
            found[:, i], slow_logits(features, mixed, mini_old, [name])[:, 0], atol=1e-3, rtol=1e-4
        )


def test_it_acts_on_another_backbone_and_has_no_class_weights(tuned, mini_new):
    _, plugin = tuned
    assert plugin.match(mini_new).kind == "compatible"
    assert plugin.logits(mini_new, toy_dataset().test).shape == (15, 3)
    with pytest.raises(PluginError, match="every image has its own"):
        plugin.class_weights(mini_new, NAMES)
