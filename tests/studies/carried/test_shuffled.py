"""The condition of another class at test: it matters where the prompts attend to it, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, DataError
from clipcompat.features.encode import encode_split
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.parts.attention import Attention
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.carried.shuffled import derangement, measure, shuffled_condition
from clipcompat.studies.compatibility import compatibility
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.toys import NAMES, toy_dataset

SHORT = Recipe(epochs=1, batch_size=6, lr=0.0, warmup_epochs=0)
CONTCOOP = ContCoOp(n_ctx=2, recipe=SHORT)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def strong(old):
    """A ContCoOp plug-in whose attention moves the context by many times its length."""
    plugin = fit(CONTCOOP, old, toy_dataset(4), views=1)
    tensors = {n: t * (300 if n in ("attn.v.weight", "attn.q.weight") else 1) for n, t in plugin.tensors.items()}
    return Plugin(plugin.method, tensors, plugin.origin)


def test_a_derangement_moves_every_class_and_its_seed_names_it():
    for count in (2, 3, 7, 50):
        for seed in range(20):
            order = derangement(count, generator(seed))
            assert sorted(order) == list(range(count)) and all(i != other for i, other in enumerate(order))
            assert order == derangement(count, generator(seed))
    assert len({tuple(derangement(4, generator(seed))) for seed in range(200)}) == 9  # all that there are
    with pytest.raises(ConfigError, match="two classes or more"):
        derangement(1, generator())


@pytest.mark.parametrize(
    "method",
    [replace(CONTCOOP, attention=None), replace(CONTCOOP, attention=Attention(out_zero=True))],
    ids=["no attention", "an attention that adds nothing"],
)
def test_it_changes_nothing_where_prompts_do_not_see_it(old, new, method):
    data = toy_dataset(4)
    found = shuffled_condition(fit(method, old, data, views=1), Upgrade(old, new), data)
    assert found.changed_old == found.changed_new == 0
    assert (found.shuffled_old, found.shuffled_new) == (found.old, found.new)


def test_it_changes_predictions_where_prompts_attend_to_it(old, new, strong):
    data, upgrade = toy_dataset(4), Upgrade(old, new)
    found = shuffled_condition(strong, upgrade, data)
    assert found.changed_old > 0 and found.changed_new > 0
    pair = compatibility(strong, upgrade, data, retrained=False)
    assert (found.old, found.new, found.zs_old, found.zs_new) == (pair.old, pair.new, pair.zs_old, pair.zs_new)


def test_the_shuffled_classifier_is_the_prompt_of_one_class_with_the_context_of_another(old, new, strong):
    """Plain torch: attention over [p; condition of the lender], then the name of the class itself."""
    data = toy_dataset(4)
    lender = derangement(3, generator(4))
    tensors, ctx = strong.tensors, strong.tensors["ctx"]
    for backbone, side in ((old, "old"), (new, "new")):
        text, rows = getattr(backbone._model, "text", backbone._model), []
        for name, other in zip(NAMES, (NAMES[i] for i in lender), strict=True):
            seen = torch.cat([ctx, text.token_embedding.weight[torch.tensor(backbone.tokenizer.encode(other))]])
            q, k, v = (seen @ tensors[f"attn.{part}.weight"].T for part in "qkv")
            added = ((q @ k.T / seen.shape[1] ** 0.5).softmax(-1) @ v @ tensors["attn.o.weight"].T)[: len(ctx)]
            ids = torch.tensor([backbone.tokenizer.sot_token_id, *backbone.tokenizer.encode(f"{name}.")])
            ids = torch.cat([ids, torch.tensor([backbone.tokenizer.eot_token_id])])
            x = torch.cat([text.token_embedding.weight[ids[:1]], ctx + added, text.token_embedding.weight[ids[1:]]])
            x = x + text.positional_embedding[: len(x)]
            mask = torch.full((len(x), len(x)), float("-inf")).triu(1)
            rows.append(text.ln_final(text.transformer(x[None], attn_mask=mask)[0, -1]) @ text.text_projection)
        f = F.normalize(encode_split(backbone, data.test), dim=-1)
        right = (f @ F.normalize(torch.stack(rows), dim=-1).T).argmax(1) == data.test.labels
        found = shuffled_condition(strong, Upgrade(old, new), data, shuffle=4)
        assert getattr(found, f"shuffled_{side}") == pytest.approx(100 * float(right.double().mean()))


def test_a_class_given_its_own_condition_is_itself(old, strong):
    own = strong.method.class_weights(strong.tensors, old, NAMES, condition=NAMES)
    assert torch.equal(own, strong.class_weights(old, NAMES))
    other = strong.method.class_weights(strong.tensors, old, NAMES, condition=NAMES[::-1])
    assert torch.allclose(other[1], own[1]) and not torch.allclose(other[0], own[0])  # "owl" stands in the middle


def test_cocoop_sees_a_picture_of_another_class(old, new):
    data = toy_dataset(4)
    plugin = fit(CoCoOp(n_ctx=2, ctx_init=None, recipe=SHORT), old, data, views=1)
    strong = Plugin(
        plugin.method, {n: t * (50 if "meta" in n else 1) for n, t in plugin.tensors.items()}, plugin.origin
    )
    found = shuffled_condition(strong, Upgrade(old, new), data)
    assert found.changed_old > 0 and found.changed_new > 0
    features = encode_split(old, data.test)
    tensors, shown = strong.tensors, (old, features, data.classnames)
    right = strong.method.logits(tensors, *shown)
    assert torch.equal(strong.method.logits(tensors, *shown, condition=features), right)
    by_hand = torch.cat([strong.method.logits(tensors, old, features[i : i + 1], NAMES) for i in range(3)])
    assert torch.allclose(by_hand, right[:3], atol=1e-4)


def test_the_seed_of_the_shuffle_decides_and_is_told(old, new, strong):
    data, upgrade = toy_dataset(4), Upgrade(old, new)
    one, again = (shuffled_condition(strong, upgrade, data, shuffle=2) for _ in range(2))
    assert one == again and one.shuffle == 2 and one.seed == 1


def test_the_study_takes_each_seed_for_its_shuffle(old, new, tmp_path):
    data, upgrade = toy_dataset(4), Upgrade(old, new)
    (row,) = measure(Experiment(upgrade, {3: data}, TunedPlugins(tmp_path, CONTCOOP, views=1)))
    found = shuffled_condition(fit(CONTCOOP, old, data, seed=3, views=1), upgrade, data, shuffle=3).to_dict()
    assert found.pop("shuffle") == row["seed"] == 3
    assert {name: row[name] for name in found} == found and row["epochs"] == 1


def test_what_cannot_be_shuffled_is_refused_in_a_sentence(old, new):
    data = toy_dataset(4)
    with pytest.raises(ConfigError, match="prompts of coop depend on no condition"):
        shuffled_condition(fit(CoOp(n_ctx=2, recipe=SHORT), old, data, views=1), Upgrade(old, new), data)
    plugin = fit(CONTCOOP, old, data, views=1)
    with pytest.raises(ConfigError, match="starts from mini-new"):
        shuffled_condition(plugin, Upgrade(new, old), data)
    images = fit(CoCoOp(n_ctx=2, ctx_init=None, recipe=SHORT), old, data, views=1)
    kept = [i for i, label in enumerate(data.test.labels) if label != 0]
    test = replace(data.test, images=data.test.images.select(kept), labels=data.test.labels[kept])
    with pytest.raises(DataError, match="no picture of 'red fox'"):
        shuffled_condition(images, Upgrade(old, new), replace(data, test=test))


def test_the_study_refuses_a_method_without_a_condition_before_it_trains(old, new, tmp_path):
    plugins = TunedPlugins(tmp_path, CoOp(n_ctx=2, recipe=SHORT), views=1)
    with pytest.raises(ConfigError, match="prompts of coop depend on no condition"):
        next(measure(Experiment(Upgrade(old, new), {1: toy_dataset(4)}, plugins)))
    assert not list(tmp_path.iterdir())
