"""The training loop: what it sees, what it never sees, and that the same seed gives the same plug-in."""

from __future__ import annotations

import dataclasses
import io
import sys
from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from clipcompat.backbones.text.block import Block
from clipcompat.backbones.text.memory import NOTHING
from clipcompat.backbones.text.tower import TextTower
from clipcompat.common.errors import ConfigError, DataError, IncompatibleError, PluginError
from clipcompat.features.encode import encode_views
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.parts.prompts import PromptTable
from clipcompat.methods.tip_adapter import TipAdapterF
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit, fit_many
from clipcompat.training.learner import Learner
from clipcompat.training.loop import DEFAULT_VIEWS
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task
from tests.toys import ToyImages, toy_dataset

SHORT = Recipe(epochs=3, batch_size=4, lr=0.05, warmup_epochs=0)
COOP = CoOp(n_ctx=2, recipe=SHORT)
CONT = ContCoOp(n_ctx=2, recipe=SHORT)
METHODS = [COOP, CONT]


@dataclasses.dataclass(frozen=True)
class Spy:
    """A method that learns one number and writes down what the loop hands it."""

    recipe: Recipe
    seen: list
    name = "spy"
    needs = "features"
    image_features = "projected"
    starts_from = None
    takes_teacher = False
    rows_of_classes = ()

    def reads(self, data):
        return data

    def recipe_for(self, data):
        return self.recipe

    def setup(self, task):
        weight = torch.zeros(1, requires_grad=True)

        def loss(features, labels):
            self.seen.append((features.detach().clone(), labels.clone()))
            return (weight * features.mean()).sum() + 1

        return Learner({"w": weight}, loss)


def same(a, b) -> bool:
    return a.tensors.keys() == b.tensors.keys() and all(torch.equal(a.tensors[n], b.tensors[n]) for n in a.tensors)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_augmenting_on_the_fly_equals_one_view_an_epoch(old, method, tmp_path):
    data = toy_dataset(4)
    fresh, cached = fit(method, old, data, views=0), fit(method, old, data, views=3)
    on_disk = fit(method, old, data, views=3, cache=tmp_path)
    more = fit(method, old, data, views=50)  # no epoch would see the 4th
    for name, tensor in fresh.tensors.items():
        torch.testing.assert_close(tensor, cached.tensors[name], atol=1e-6, rtol=0)
    assert same(cached, on_disk) and same(cached, more) and more.origin["views"] == 3
    assert fresh.origin["views"] == 0


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_equal_seeds_give_equal_plugins_and_others_others(old, method):
    data = toy_dataset(4)
    plugin = fit(method, old, data, seed=1)
    torch.manual_seed(123)  # nothing may depend on the global generator
    before = torch.get_rng_state()
    assert same(plugin, fit(method, old, data, seed=1))
    assert torch.equal(before, torch.get_rng_state())
    other = fit(method, old, data, seed=2)
    assert not any(torch.equal(plugin.tensors[n], other.tensors[n]) for n in plugin.tensors)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_training_lowers_the_loss_and_moves_every_parameter(old, method):
    data = toy_dataset(4)
    long = dataclasses.replace(method, recipe=dataclasses.replace(SHORT, epochs=15, batch_size=12))
    start = fit(dataclasses.replace(method, recipe=dataclasses.replace(SHORT, lr=0.0)), old, data)
    trained = fit(long, old, data)
    assert trained.origin["final_loss"] < start.origin["final_loss"] - 0.05
    assert not any(torch.equal(start.tensors[n], trained.tensors[n]) for n in trained.tensors)


def test_fewer_views_train_and_every_picture_meets_every_view(old):
    data, spy = toy_dataset(4), Spy(Recipe(epochs=6, batch_size=4), [])
    plugin = fit(spy, old, data, views=2)
    assert plugin.origin["views"] == 2 and plugin.origin["epochs"] == 6
    views = encode_views(old, data.train, 2, 1, (0.08, 1.0))
    met = Counter()
    for features, labels in spy.seen:
        for row, label in zip(features, labels, strict=True):
            view, image = map(int, (views == row).all(-1).nonzero()[0])
            assert data.train.labels[image] == label
            met[image, view] += 1
    assert len(met) == 24 and set(met.values()) == {3}
    first = {int((views == f).all(-1).nonzero()[0][0]) for batch, _ in spy.seen[:3] for f in batch}
    assert first == {0, 1}  # pictures do not all show the same view in an epoch


def test_views_default_to_ten_or_the_epochs(old):
    for epochs, views in ((3, 3), (DEFAULT_VIEWS + 2, DEFAULT_VIEWS)):
        plugin = fit(Spy(Recipe(epochs=epochs, batch_size=12), []), old, toy_dataset(4))
        assert plugin.origin["views"] == views


@pytest.mark.parametrize(("batch", "sizes"), [(5, [5, 5]), (12, [12]), (13, [12]), (6, [6, 6]), (11, [11])])
def test_the_incomplete_last_batch_is_dropped_unless_it_is_the_only_one(old, batch, sizes):
    spy = Spy(Recipe(epochs=2, batch_size=batch), [])
    fit(spy, old, toy_dataset(4), views=1)
    assert [len(labels) for _, labels in spy.seen] == sizes * 2


def test_an_epoch_shows_every_picture_once_in_a_new_order(old):
    spy = Spy(Recipe(epochs=3, batch_size=12), [])
    fit(spy, old, toy_dataset(4), views=1)
    orders = [[float(f.sum()) for f in features] for features, _ in spy.seen]
    assert sorted(orders[0]) == sorted(orders[1]) and len({tuple(o) for o in orders}) == 3


def test_the_recipe_s_rate_reaches_the_optimiser(old):
    """SGD on a loss of gradient 1: the number learned is minus the sum of the rates."""

    @dataclasses.dataclass(frozen=True)
    class Slope(Spy):
        def setup(self, task):
            a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
            return Learner({"a": a, "b": b}, lambda features, labels: (a + b).sum(), {"b": {"lr_scale": 0.5}})

    recipe = Recipe(lr=0.1, momentum=0.0, weight_decay=0.0, epochs=4, batch_size=6)
    plugin = fit(Slope(recipe, []), old, toy_dataset(4), views=1)
    # two steps an epoch: warm-up, then lr/2 · (1 + cos(pi e / 4)) for e = 0, 1, 2
    expected = 2 * (1e-5 + 0.1 + 0.0853553390593274 + 0.05)
    torch.testing.assert_close(plugin.tensors["a"], torch.tensor([-expected]), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(plugin.tensors["b"], torch.tensor([-expected / 2]), atol=1e-6, rtol=1e-5)


class Forbidden(ToyImages):
    def __getitem__(self, index):
        raise AssertionError("training opened a picture it must not see")


def test_test_and_validation_pictures_are_never_opened(old):
    data = toy_dataset(4)
    closed = {
        part: dataclasses.replace(split, images=Forbidden(split.images.labels, part, []))
        for part, split in (("test", data.test), ("val", data.val))
    }
    for views in (0, 2):
        plugin = fit(COOP, old, dataclasses.replace(data, **closed), views=views)
    assert plugin.origin["epochs"] == 3


def test_a_plugin_says_where_it_comes_from(old):
    data = toy_dataset(4)
    plugin = fit(COOP, old, data, seed=7, views=2)
    origin = plugin.origin
    assert origin["backbone"] == {
        "name": "mini-old",
        "stamp": old.stamp,
        "source": "random weights, seed 1",
        "dtype": "torch.float32",
    }
    assert origin["dataset"] == "toys" and origin["train_stamp"] == data.train.stamp
    assert origin["classnames"] == list(data.classnames) and origin["template"] == "a photo of a {}."
    assert (origin["shots"], origin["seed"], origin["views"], origin["epochs"]) == (4, 7, 2, 3)
    assert all(
        t.device.type == "cpu" and t.dtype == torch.float32 and not t.requires_grad for t in plugin.tensors.values()
    )


def test_nothing_is_trained_where_there_is_nothing_to_learn(old):
    data = toy_dataset(4)
    plugin = fit(ZeroShot(), old, dataclasses.replace(data, train=data.train.keep_classes([])))
    assert plugin.tensors == {} and plugin.origin["epochs"] == 0 and plugin.origin["views"] is None


def test_a_warm_start_begins_at_the_given_plugin(old):
    data = toy_dataset(4)
    frozen = dataclasses.replace(SHORT, lr=0.0)
    for method in METHODS:
        first = fit(method, old, data, seed=1)
        again = fit(dataclasses.replace(method, recipe=frozen), old, data, seed=2, init=first)
        assert same(first, again)
        assert not same(first, fit(method, old, data, seed=2, init=first))


def test_a_warm_start_leaves_its_source_alone(old):
    data = toy_dataset(4)
    first = fit(COOP, old, data)
    before = {n: t.clone() for n, t in first.tensors.items()}
    fit(COOP, old, data, seed=2, init=first)
    assert all(torch.equal(before[n], first.tensors[n]) for n in before)


def test_a_warm_start_of_another_shape_says_what_came(old):
    data = toy_dataset(4)
    first = fit(COOP, old, data)
    with pytest.raises(IncompatibleError, match=r"ctx \[2, 128\]; this method starts from ctx \[3, 128\]"):
        fit(CoOp(n_ctx=3, recipe=SHORT), old, data, init=first)
    with pytest.raises(PluginError, match="no attn.q.weight"):
        fit(CONT, old, data, init=first)


def test_a_class_subset_trains_on_its_own_labels(old):
    data = toy_dataset(4, ("red fox", "owl", "snow leopard cub", "wolf", "crow"))
    for part, names in ((data.base_classes(), 3), (data.new_classes(), 2), (data.subset(["crow"]), 1)):
        plugin = fit(CoOp(n_ctx=2, csc=True, recipe=SHORT), old, part, views=1)
        assert len(plugin.tensors["ctx"]) == names and plugin.origin["classnames"] == list(part.classnames)
        assert plugin.logits(old, part.test).shape == (5 * names, names)


def test_no_training_pictures_is_a_sentence(old):
    data = toy_dataset(4)
    with pytest.raises(DataError, match="toys has no training images"):
        fit(COOP, old, dataclasses.replace(data, train=data.train.keep_classes([])))


@pytest.mark.parametrize(("terminal", "progress", "bars"), [(True, None, 2), (True, False, 0), (False, None, 0)])
def test_a_bar_is_shown_in_a_terminal_and_can_be_switched_off(old, monkeypatch, terminal, progress, bars):
    stderr = io.StringIO()
    stderr.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stderr)
    old.memory.clear()
    fit(COOP, old, toy_dataset(5), seed=9, progress=progress)
    shown = [words in stderr.getvalue() for words in ("toys/train, train", "coop on toys, seed 9")]
    assert sum(shown) == bars


def test_progress_tells_encoding_and_epochs(old):
    calls = []
    fit(COOP, old, toy_dataset(4), views=2, progress=lambda *call: calls.append(call))
    assert [c[:2] for c in calls if c[2].startswith("coop on toys, seed 1")] == [(1, 3), (2, 3), (3, 3)]
    assert [c[:2] for c in calls if "train" in c[2]] == [(24, 24)]


def test_a_prompt_that_does_not_fit_the_context_is_a_sentence(old):
    with pytest.raises(ConfigError, match="tokens"):
        fit(CoOp(n_ctx=old.context_length, recipe=SHORT), old, toy_dataset(4))


def test_the_template_of_the_split_is_that_of_the_plugin(old):
    data = toy_dataset(4)
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, template=("a {}", "one {}")))
    plugin = fit(ZeroShot(), old, data)
    assert plugin.origin["template"] == ["a {}", "one {}"]
    assert plugin.class_weights(old, ("owl",)).shape == (1, old.dim)


def test_views_averaged_into_keys_are_not_trained_on(old):
    data, seen = toy_dataset(4), []
    recipe = Recipe(epochs=3, batch_size=12, crop=(0.5, 1.0))
    method = TipAdapterF(passes=2, search=False, recipe=recipe)

    class Watching(type(method)):
        def setup(self, task):
            learner = super().setup(task)

            def loss(features, labels):
                seen.append(features.sort(0).values)
                return learner.loss(features, labels)

            return dataclasses.replace(learner, objective=loss)

    fit(Watching(passes=2, search=False, recipe=recipe), old, data, views=3)
    views = encode_views(old, data.train, 5, 1, (0.5, 1.0))
    assert len(seen) == 3
    for features, view in zip(seen, (2, 3, 4), strict=True):
        torch.testing.assert_close(features, views[view].sort(0).values)


def test_an_incomplete_last_batch_is_trained_on_where_the_recipe_keeps_it(old):
    method = Spy(Recipe(epochs=1, batch_size=5, drop_last=False), [])
    fit(method, old, toy_dataset(4), views=1)
    assert [len(labels) for _, labels in method.seen] == [5, 5, 2]


COCOOP = CoCoOp(n_ctx=4, ctx_init=None, recipe=SHORT)
DEEP = CoOp(n_ctx=2, layer=2, recipe=SHORT)
OTHERS = [COCOOP, KgCoOp(recipe=SHORT), DEEP, CLIPAdapter(recipe=SHORT), LinearProbe(c=1.0), ZeroShot()]


@pytest.mark.parametrize("method", [*METHODS, *OTHERS], ids=lambda m: f"{m.name}-{getattr(m, 'layer', 0)}")
def test_runs_side_by_side_give_what_they_give_alone(old, method):
    """Other seeds, and a run that is longer than the others."""
    data = [toy_dataset(4), toy_dataset(6), toy_dataset(4)]
    together = fit_many(method, old, data, seeds=[1, 2, 3])
    for plugin, d, seed in zip(together, data, (1, 2, 3), strict=True):
        alone = fit(method, old, d, seed=seed)
        assert plugin.tensors.keys() == alone.tensors.keys()
        assert all((plugin.tensors[n] - t).abs().max() < 1e-5 for n, t in alone.tensors.items())
        assert plugin.origin | {"seconds": 0, "final_loss": 0} == alone.origin | {"seconds": 0, "final_loss": 0}


def test_runs_side_by_side_read_their_prompts_in_one_pass(old, monkeypatch):
    passes = []
    through = TextTower.run
    monkeypatch.setattr(TextTower, "run", lambda self, p: passes.append(p.packing.groups) or through(self, p))
    fit_many(COOP, old, [toy_dataset(4)] * 3, seeds=[1, 2, 3])
    assert passes == [3] * 9  # 3 epochs of 3 steps


@pytest.mark.parametrize("seeds", [[], [1], [1, 2, 3]])
def test_runs_side_by_side_need_one_seed_each(old, seeds):
    with pytest.raises(ConfigError, match="each run"):
        fit_many(COOP, old, [toy_dataset(4)] * 2 if seeds else [], seeds=seeds)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_small_memory_budget_changes_nothing_but_what_is_run_again(old, method):
    names = tuple(f"{a} {b}" for a in ("red", "snow", "old") for b in ("fox", "owl", "leopard cub"))
    data = toy_dataset(2, names)
    whole, little = fit(method, old, data), fit(method, old, data, memory_budget=400_000)
    table = PromptTable.of(old, names, 2)
    tower = old.with_memory_budget(400_000).text
    parts, kept, _ = tower._plan(table.prompts(torch.zeros(9, 2, old.width)).packing, trained=True)
    assert len(parts) > 1 and NOTHING in kept
    for name, tensor in whole.tensors.items():
        torch.testing.assert_close(little.tensors[name], tensor, rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="budget"):
        fit(method, old, data, memory_budget=0)


def test_where_memory_runs_out_a_step_is_run_again_smaller_with_a_warning(old, monkeypatch, caplog):
    data, whole = toy_dataset(4), fit(COOP, old, toy_dataset(4))
    backbone = old.with_memory_budget(1 << 30)
    forward = Block.forward

    def narrow(self, x, *others):
        if len(x) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, x, *others)

    monkeypatch.setattr(Block, "forward", narrow)
    monkeypatch.setattr("clipcompat.backbones.text.tower._MIN_BUDGET", 1 << 10)
    with caplog.at_level("WARNING"):
        plugin = fit(COOP, backbone, data)
    assert "smaller parts" in caplog.text and backbone.text.memory_budget < 1 << 30
    torch.testing.assert_close(plugin.tensors["ctx"], whole.tensors["ctx"], rtol=1e-4, atol=1e-5)


def test_memory_that_is_never_enough_and_other_errors_are_raised(old, monkeypatch):
    def fail(self, *others):
        raise RuntimeError(said)

    monkeypatch.setattr(Block, "forward", fail)
    for said in ("DefaultCPUAllocator: can't allocate memory", "shapes do not match"):
        with pytest.raises(RuntimeError, match=said):
            fit(COOP, old.with_memory_budget(1 << 27), toy_dataset(4))


def test_an_estimate_is_logged_before_a_long_run(old, caplog):
    with caplog.at_level("INFO"):
        fit(COOP, old, toy_dataset(4))
    assert "rows of text" in caplog.text and "steps, about" in caplog.text


class NoAnswer(TorchDispatchMode):
    """Refuses operations that make the host wait for a value of the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default), function
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("method", [COOP, CONT, COCOOP, CLIPAdapter()], ids=lambda m: m.name)
def test_a_step_asks_the_device_for_nothing_so_it_can_be_recorded(old, method):
    learner = method.setup(Task(old, toy_dataset(4), torch.Generator().manual_seed(1)))
    features, labels = torch.randn(4, old.dim), torch.tensor([0, 1, 2, 0])
    learner.loss(features, labels).backward()  # packings and plans are settled in the first step
    with NoAnswer():
        learner.loss(features, labels).backward()


def test_a_plugin_knows_which_random_crops_it_saw(old):
    def seen(low, high):
        return fit(CoOp(n_ctx=2, recipe=dataclasses.replace(SHORT, crop=(low, high))), old, toy_dataset(2))

    assert old.preprocess.min_crop == 0.6  # a miniature wants more of a picture than a recipe may ask for
    assert seen(0.2, 0.9).origin["crop"] == [0.6, 0.9] and seen(0.7, 1.0).origin["crop"] == [0.7, 1.0]
    assert fit(ZeroShot(), old, toy_dataset(2)).origin["crop"] is None
