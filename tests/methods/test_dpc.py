"""DPC: what stage 2 trains, which mixture classifies which names, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from clipcompat.common.config import from_config, override, to_config
from clipcompat.common.errors import ConfigError, IncompatibleError, UnknownNameError
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC, symmetric_loss
from clipcompat.methods.dpc import LEARNERS as LEARNERS_BY_NAME
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task
from tests.reference import dpc as reference
from tests.toys import NAMES, toy_dataset

QUICK = Recipe(epochs=2, batch_size=3, lr=0.05, warmup_epochs=0)
LEARNERS = [CoOp(n_ctx=2, recipe=QUICK), KgCoOp(recipe=QUICK), ContCoOp(n_ctx=2, recipe=QUICK)]
OTHERS = ("barn owl", "grey seal")


def dpc(learner=LEARNERS[0], **options) -> DPC:
    return DPC(learner=learner, recipe=QUICK, top_k=3, **options)


@pytest.fixture(scope="module", params=LEARNERS, ids=lambda learner: learner.name)
def tuned(request, mini_old):
    """A learner's stage-1 plug-in and the DPC plug-in made of it."""
    data = toy_dataset()
    first = fit(request.param, mini_old, data, views=2)
    return first, fit(dpc(request.param), mini_old, data, init=first, views=2)


def test_stage_1_is_frozen_and_only_the_parallel_prompt_moves(tuned):
    first, plugin = tuned
    for name, tensor in first.tensors.items():
        assert torch.equal(plugin.tensors[f"stage1.{name}"], tensor)
    assert any(not torch.equal(plugin.tensors[f"parallel.{name}"], t) for name, t in first.tensors.items())
    assert plugin.origin["init"] == first.stamp


def test_base_names_are_classified_with_one_mixture_and_all_others_with_the_other(tuned, mini_old):
    first, plugin = tuned
    both = replace(plugin, method=replace(plugin.method, omega_base=0.3, omega_new=0.1))
    learner = first.method
    names = (OTHERS[0], *NAMES[:2], OTHERS[1], NAMES[2])
    weights = both.class_weights(mini_old, names)
    for i, name in enumerate(names):
        omega = 0.3 if name in NAMES else 0.1
        tensors = {
            key: reference.mixed(plugin.tensors[f"parallel.{key}"], tensor, omega)
            for key, tensor in first.tensors.items()
        }
        expected = learner.class_weights(tensors, mini_old, [name])[0]
        torch.testing.assert_close(weights[i], expected, atol=1e-5, rtol=1e-5)


def test_logits_are_those_of_the_class_weights_over_both_kinds_of_names(tuned, mini_old):
    _, plugin = tuned
    data = toy_dataset(classnames=(NAMES[0], OTHERS[0], NAMES[2]))
    features = torch.cat([mini_old.encode_image(mini_old.preprocess.test(im)[None]) for im in data.test.images])
    expected = mini_old.logit_scale * features @ plugin.class_weights(mini_old, data.classnames).T
    torch.testing.assert_close(plugin.logits(mini_old, data.test), expected, atol=1e-3, rtol=1e-4)


def test_with_omega_new_0_new_names_are_classified_exactly_as_by_stage_1(tuned, mini_old):
    first, plugin = tuned
    assert torch.equal(plugin.class_weights(mini_old, OTHERS), first.class_weights(mini_old, OTHERS))


def test_released_classifies_base_names_with_the_parallel_prompt_alone(tuned, mini_old):
    _, plugin = tuned
    released = replace(plugin, method=replace(plugin.method, preset="released"))
    alone = replace(plugin, method=replace(plugin.method, omega_base=1.0))
    assert torch.equal(released.class_weights(mini_old, NAMES), alone.class_weights(mini_old, NAMES))
    assert not torch.equal(released.class_weights(mini_old, NAMES), plugin.class_weights(mini_old, NAMES))


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_the_loss_is_that_of_the_slow_reference(rows):
    generator = torch.Generator().manual_seed(rows)
    features, text = (torch.randn(rows, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    expected = reference.symmetric_loss(features, text, 20.0)
    torch.testing.assert_close(symmetric_loss(features, F.normalize(text, dim=-1), 20.0), expected)


def _learner(method, backbone, first):
    data = toy_dataset()
    task = Task(backbone, data, torch.Generator().manual_seed(1), init=first)
    return method.setup(task), data


def _gradient(method, backbone, first) -> dict:
    learner, data = _learner(method, backbone, first)
    features = torch.randn(5, backbone.dim, generator=torch.Generator().manual_seed(7))
    learner.loss(features, data.train.labels[[0, 4, 8, 1, 5]]).backward()
    return {name: parameter.grad.clone() for name, parameter in learner.parameters.items()}


def test_the_objective_is_the_symmetric_loss_between_images_and_the_text_of_their_labels(tuned, mini_old):
    first, plugin = tuned
    learner, data = _learner(plugin.method, mini_old, first)
    features = torch.randn(5, mini_old.dim, generator=torch.Generator().manual_seed(7))
    labels = data.train.labels[[0, 4, 8, 1, 5]]
    text = first.class_weights(mini_old, NAMES)[labels]
    expected = reference.symmetric_loss(features, text, mini_old.logit_scale)
    torch.testing.assert_close(learner.loss(features, labels), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("gradient", "factor"), [("plain", 1.0), ("inverse", 4.0), ("inverse_square", 16.0)])
def test_the_gradient_of_the_parallel_prompt_is_scaled_by_a_power_of_omega(tuned, mini_old, gradient, factor):
    first, plugin = tuned
    plain = _gradient(replace(plugin.method, gradient="plain", omega_base=0.25), mini_old, first)
    scaled = _gradient(replace(plugin.method, gradient=gradient, omega_base=0.25), mini_old, first)
    for name, value in plain.items():
        torch.testing.assert_close(scaled[name], factor * value)


def test_the_backbone_loss_can_be_kept_beside(tuned, mini_old):
    first, plugin = tuned
    features = torch.randn(3, mini_old.dim, generator=torch.Generator().manual_seed(7))
    labels = torch.tensor([0, 1, 2])

    def loss(method):
        return _learner(method, mini_old, first)[0].loss(features, labels)

    own = _learner(replace(plugin.method, hard_negatives=False), mini_old, first)[0]
    both = loss(replace(plugin.method, keep_backbone_loss=True))
    torch.testing.assert_close(both, loss(plugin.method) + own.loss(features, labels))


def test_without_hard_negatives_stage_2_trains_on_plain_batches(tuned, mini_old):
    first, plugin = tuned
    learner, _ = _learner(replace(plugin.method, hard_negatives=False), mini_old, first)
    assert learner.join is None and _learner(plugin.method, mini_old, first)[0].join is not None


def test_negatives_are_ranked_by_the_frozen_stage_1_model(tuned, mini_old):
    first, plugin = tuned
    learner, data = _learner(plugin.method, mini_old, first)
    weights = first.class_weights(mini_old, NAMES)
    nearest = weights[1] + 0.5 * weights[2]  # an image of class 0 that stage 1 takes for class 1, then class 2
    joined = learner.join(nearest[None], torch.tensor([0]))
    assert data.train.labels[joined].tolist() == [1, 2]


def test_negatives_of_the_full_pool_are_its_pictures_behind_the_training_pictures(tuned, mini_old):
    first, plugin = tuned
    few = toy_dataset(1)
    data = replace(few, pool=toy_dataset(4).train)
    method = replace(plugin.method, dhno_pool="full")
    given = replace(first, origin={**first.origin, "backbone": mini_old.description})
    learner = method.setup(Task(mini_old, data, torch.Generator().manual_seed(1), init=given))
    weights = first.class_weights(mini_old, NAMES)
    joined = learner.join(weights[1][None], torch.tensor([0]))
    assert joined.min() >= len(few.train) and learner.joins is data.pool
    assert sorted(data.pool.labels[joined - len(few.train)].tolist()) == [1, 2]


@pytest.mark.parametrize("views", [0, 2])
def test_a_pool_of_the_training_pictures_alone_makes_the_same_prompt_and_another_one_another(tuned, mini_old, views):
    first, plugin = tuned
    data, method = toy_dataset(), replace(plugin.method, dhno_pool="full")
    few = fit(plugin.method, mini_old, data, init=first, views=views)
    same = fit(method, mini_old, replace(data, pool=data.train), init=first, views=views)
    other = fit(method, mini_old, replace(data, pool=data.test), init=first, views=views)
    for key, tensor in few.tensors.items():
        torch.testing.assert_close(same.tensors[key], tensor, rtol=0, atol=1e-5)
    assert any((other.tensors[key] - tensor).abs().max() > 1e-4 for key, tensor in few.tensors.items())


def test_a_pool_that_is_not_known_is_refused_and_the_default_is_not_written_down(tuned, mini_old):
    _, plugin = tuned
    method = replace(plugin.method, dhno_pool="full")
    with pytest.raises(ConfigError, match="toys does not say which training pictures it was drawn from"):
        fit(method, mini_old, toy_dataset(), views=1)
    assert "dhno_pool" not in to_config(plugin.method) and to_config(method)["dhno_pool"] == "full"
    assert from_config(DPC, to_config(method)) == method
    assert override(plugin.method, ["dhno_pool=full"]) == method


def test_stage_1_is_tuned_first_if_it_is_not_given(mini_old):
    data = toy_dataset()
    alone = fit(dpc(), mini_old, data, seed=3, views=2)
    given = fit(dpc(), mini_old, data, seed=3, views=2, init=fit(LEARNERS[0], mini_old, data, seed=3, views=2))
    assert alone.stamp == given.stamp


def test_a_saved_dual_prompt_keeps_its_learner_and_its_base_classes(tuned, mini_old, tmp_path):
    _, plugin = tuned
    again = load_plugin(plugin.save(tmp_path / "dual.safetensors"))
    assert again.method == plugin.method
    names = (NAMES[1], OTHERS[0])
    assert torch.equal(again.class_weights(mini_old, names), plugin.class_weights(mini_old, names))


def test_a_dual_prompt_acts_on_another_backbone(tuned, mini_new):
    _, plugin = tuned
    assert plugin.match(mini_new).kind == "compatible"
    assert plugin.logits(mini_new, toy_dataset().test).shape == (15, 3)


def test_a_learner_may_be_given_by_its_name_and_must_be_one_with_prompts_to_double():
    for name, learner in LEARNERS_BY_NAME.items():
        assert DPC(learner=name) == DPC(learner=learner())
    for other in ("linear_probe", LinearProbe(), None):
        with pytest.raises(UnknownNameError, match="learner of dpc"):
            DPC(learner=other)


def test_the_learner_is_a_named_part_of_the_settings():
    method = override(DPC(), ["learner=contcoop", "learner.n_ctx=4", "learner.attention.heads=2", "omega_base=0.5"])
    assert method.learner == replace(ContCoOp(n_ctx=4), attention=replace(ContCoOp().attention, heads=2))
    assert method.omega_base == 0.5 and from_config(DPC, to_config(method)) == method
    with pytest.raises(UnknownNameError, match="contcop"):
        override(DPC(), ["learner.name=contcop"])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"omega_base": 1.5}, "omega_base is the weight of the parallel prompt, from 0 to 1, not 1.5"),
        ({"omega_new": -0.1}, "omega_new is the weight of the parallel prompt, from 0 to 1, not -0.1"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"preset": "paper"}, "paper"),
        ({"gradient": "double"}, "double"),
        ({"dhno_pool": "half"}, "half"),
        ({"learner": CoOp(csc=True)}, "cannot serve new classes"),
    ],
)
def test_settings_out_of_range_are_refused(settings, says):
    with pytest.raises((ConfigError, UnknownNameError), match=says):
        DPC(**settings)


def test_omega_0_leaves_no_gradient_to_scale(mini_old):
    with pytest.raises(ConfigError, match="which is 0"):
        fit(dpc(omega_base=0.0), mini_old, toy_dataset(), views=1)


def test_a_stage_1_plugin_of_another_learner_backbone_or_class_list_is_refused(tuned, mini_old, mini_new):
    first, plugin = tuned
    data = toy_dataset()
    other = DPC(learner=next(one for one in LEARNERS if one.name != first.method.name), recipe=QUICK)
    with pytest.raises(IncompatibleError, match=f"is of {first.method.name}, and this DPC clones"):
        fit(other, mini_old, data, init=first, views=1)
    with pytest.raises(IncompatibleError, match="needs the same backbone and class list"):
        fit(plugin.method, mini_new, data, init=first, views=1)
    with pytest.raises(IncompatibleError, match="3 classes of toys, of which it does not know 'yak'"):
        fit(plugin.method, mini_old, toy_dataset(classnames=("red fox", "owl", "yak")), init=first, views=1)
    with pytest.raises(IncompatibleError, match="3 classes of toys, in another order or fewer"):
        fit(plugin.method, mini_old, toy_dataset(classnames=NAMES[::-1]), init=first, views=1)
