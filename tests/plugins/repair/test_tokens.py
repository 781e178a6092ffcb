"""Prompts moved between token spaces: where the spaces are a rotation apart, every finished prompt is rotated too."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy.linalg import orthogonal_procrustes

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.parts.attention import Attention
from clipcompat.methods.parts.condition import Condition
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin, load_plugin
from clipcompat.plugins.repair.feature_map import fit_map
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.tokens import WAYS, common_embeddings, has_tokens, token_map
from clipcompat.training.recipe import Recipe
from tests.reference import anchors
from tests.toys import NAMES, toy_dataset

WIDTH = 128  # of both random backbones, as is their dim
BIASED = ContCoOp(n_ctx=3, attention=Attention(heads=2, bias=True))
PROMPTS = {
    "CoOp": CoOp(n_ctx=3),
    "CoOp, a context per class": CoOp(n_ctx=3, csc=True),
    "CoOp, inserted": CoOp(n_ctx=3, insert=True),
    "KgCoOp": KgCoOp(n_ctx=3, ctx_init=None),
    "CoCoOp": CoCoOp(n_ctx=3, ctx_init=None),
    "ContCoOp": ContCoOp(n_ctx=3),
    "ContCoOp with biases": BIASED,
    "DPC": DPC(learner=ContCoOp(n_ctx=3), omega_base=0.3),
}
SHIFTED = [name for name in PROMPTS if name not in ("ContCoOp", "DPC")]  # attention without biases drops the shift


@pytest.fixture(scope="module")
def q():
    return torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(5)))[0]


def turned(old, q, shift=0.0, longer=1.0):
    """A backbone of its own whose tokens are old's, turned, shifted and longer."""
    backbone = load_backbone("mini-new", "random:2", device="cpu", dtype="float32")
    table = backbone.text._module.token_embedding.weight
    with torch.no_grad():
        table.copy_(longer * old.text.embed(torch.arange(len(table))) @ q.T + shift)
    return backbone


def plugin_of(method, old, seed=0):
    """A plug-in of random tensors, tuned on old as far as its origin says."""
    generator, names = torch.Generator().manual_seed(seed), {"width": WIDTH, "dim": WIDTH, "token": 3, "dim/16": 8}
    shapes = method.shapes(len(NAMES))
    tensors = {
        name: 0.3 * torch.randn([names.get(n, n) for n in shape], generator=generator) for name, shape in shapes.items()
    }
    origin = {"backbone": old.description, "dataset": "toys", "classnames": list(NAMES), "template": "a {}.", "seed": 1}
    return Plugin(method, tensors, origin | {"shots": 8, "train_stamp": "x"})


def rows_read(plugin, backbone, monkeypatch, features):
    """What the text tower is given for the plug-in's classes: token rows [row, width], inserted ones behind."""
    read = []

    def run(prompts):
        read.extend([prompts.rows, *(i.vectors for i in prompts.inject)])
        return torch.ones(len(prompts.packing.lengths), WIDTH)

    with monkeypatch.context() as patch:
        patch.setattr(backbone.text, "run", run)
        plugin._method.logits(dict(plugin.tensors), backbone, features, NAMES, "a {}.")
    return torch.cat(read)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", PROMPTS)
def test_where_tokens_are_turned_every_finished_prompt_is_turned(name, how, q, mini_old, monkeypatch):
    longer = 2.0 if how == "anchors" else 1.0
    new, plugin, features = (
        turned(mini_old, q, longer=longer),
        plugin_of(PROMPTS[name], mini_old),
        torch.randn(2, WIDTH),
    )
    found = repair(plugin, Upgrade(mini_old, new), how=how)
    before, after = (rows_read(p, b, monkeypatch, features) for p, b in ((plugin, mini_old), (found, new)))
    assert torch.allclose(after, longer * before @ q.T, atol=1e-4)
    assert not torch.allclose(rows_read(plugin, new, monkeypatch, features), after, atol=1e-2)  # as a carried one is


@pytest.mark.parametrize("name", SHIFTED)
def test_a_shift_of_all_tokens_is_taken_along(name, q, mini_old, monkeypatch):
    shift = torch.linspace(-0.2, 0.2, WIDTH)
    new, plugin, features = turned(mini_old, q, shift), plugin_of(PROMPTS[name], mini_old), torch.randn(2, WIDTH)
    found = repair(plugin, Upgrade(mini_old, new), how="tokens")
    before, after = (rows_read(p, b, monkeypatch, features) for p, b in ((plugin, mini_old), (found, new)))
    assert torch.allclose(after, before @ q.T + shift, atol=1e-4)


def test_the_rotation_of_tokens_is_that_of_scipy(mini_old, mini_new):
    old, new = (rows.double().numpy() for rows in common_embeddings(mini_old, mini_new))
    plugin = plugin_of(PROMPTS["CoOp"], mini_old)
    rotation, _ = orthogonal_procrustes(old - old.mean(0), new - new.mean(0))
    expected = (plugin.tensors["ctx"].double().numpy() - old.mean(0)) @ rotation + new.mean(0)
    found = repair(plugin, Upgrade(mini_old, mini_new), how="tokens")
    assert torch.allclose(found.tensors["ctx"].double(), torch.from_numpy(expected), atol=1e-5)


def test_an_anchored_row_is_what_gradient_steps_search_and_no_search_beats_it():
    generator = torch.Generator().manual_seed(1)
    old, new = (torch.randn(40, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    row = torch.randn(6, generator=generator, dtype=torch.float64)
    found = token_map(old.float(), new.float(), "anchors").rows(row.float()).double()
    searched = anchors.search(row, old, new)
    wanted = anchors.cosines(row, old)
    near = [float(F.cosine_similarity(anchors.cosines(v, new), wanted, dim=0)) for v in (found, searched)]
    assert near[0] >= near[1] - 1e-6 and near[1] > 0.9 * near[0]
    assert float(F.cosine_similarity(found, searched, dim=0)) > 0.999
    length = row.norm() * new.norm(dim=-1).mean() / old.norm(dim=-1).mean()
    assert float(found.norm()) == pytest.approx(float(length), rel=1e-4)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", PROMPTS)
def test_an_upgrade_in_which_nothing_changes_moves_nothing(name, how, mini_old):
    plugin = plugin_of(PROMPTS[name], mini_old)
    found = repair(plugin, Upgrade(mini_old, mini_old), how=how)
    assert all(torch.allclose(found.tensors[key], t, atol=1e-4) for key, t in plugin.tensors.items())


@pytest.mark.parametrize("how", WAYS)
def test_it_is_a_plugin_of_the_new_backbone_and_says_what_it_was_made_from(how, mini_old, mini_new, tmp_path):
    plugin = fit(ContCoOp(n_ctx=3, recipe=Recipe(epochs=1, batch_size=4)), mini_old, toy_dataset(), seed=3, views=1)
    found = repair(plugin, Upgrade(mini_old, mini_new), how=how)
    assert all(found.origin[kept] == plugin.origin[kept] for kept in ("dataset", "train_stamp", "shots", "seed"))
    assert found.match(mini_new).kind == "exact" and found.origin["init"] == plugin.stamp
    assert found.origin["repair"] == f"{how}, 1,274 tokens of both vocabularies"
    assert torch.isfinite(found.logits(mini_new, toy_dataset().test)).all()
    assert load_plugin(found.save(tmp_path / "p.safetensors")).origin == found.origin


def test_a_dual_prompt_mixes_moved_prompts_into_the_moved_mixture(mini_old, mini_new):
    plugin = plugin_of(DPC(learner=CoOp(n_ctx=3), omega_base=0.3), mini_old)
    found = repair(plugin, Upgrade(mini_old, mini_new), how="tokens")
    through = token_map(*common_embeddings(mini_old, mini_new))
    for base in (True, False):
        mixed = found.method.mixed(found.tensors, base)["ctx"]
        assert torch.allclose(mixed, through.rows(plugin.method.mixed(plugin.tensors, base)["ctx"]), atol=1e-5)


SENTENCES = [f"a photo of a {word}." for word in "red green blue owl fox cub tree leaf fish car".split()]


def test_sentences_tell_the_meta_net_of_cocoop_how_to_read_new_features(mini_old, mini_new):
    plugin = plugin_of(PROMPTS["CoCoOp"], mini_old)
    upgrade = Upgrade(mini_old, mini_new)
    plain, told = (repair(plugin, upgrade, how="tokens", sentences=s) for s in (None, SENTENCES))
    weight, bias = (plugin.tensors[f"meta_net.linear1.{kind}"] for kind in ("weight", "bias"))
    assert torch.equal(plain.tensors["meta_net.linear1.weight"], weight)  # left as it is
    to_old = fit_map(mini_new.encode_text(SENTENCES), mini_old.encode_text(SENTENCES))
    features = F.normalize(torch.randn(4, WIDTH), dim=-1)
    read = F.linear(features, told.tensors["meta_net.linear1.weight"], told.tensors["meta_net.linear1.bias"])
    assert torch.allclose(read, F.linear(to_old(features), weight, bias), atol=1e-4)
    assert told.origin["repair"].startswith("tokens, 1,274 tokens of both vocabularies, 10 sentences")
    assert torch.equal(told.tensors["ctx"], plain.tensors["ctx"])


@pytest.mark.parametrize(("method", "says"), [
    (ZeroShot(), "it learns nothing. Carry it as it is."),
    (LinearProbe(), "rows over image features. Use how='map'."),
    (CoOp(n_ctx=3, layer=1), "acts in block 1 of the text tower, on hidden states. Use how='imitate'"),
    (ContCoOp(n_ctx=3, condition=Condition(pool="text_feature")), "reads text features beside its context"),
    (CLIPAdapter(), "it acts on image features. Use how='imitate'"),
    (MaPLe(), "of both towers, and of deeper layers. Use how='imitate'"),
    (DPC(learner=PromptSRC()), "of both towers, and of deeper layers"),
    (PromptKD(), "Tune it again on the new backbone, with its teacher."),
], ids=lambda x: getattr(x, "name", ""))  # fmt: skip
@pytest.mark.parametrize("how", WAYS)
def test_a_method_without_a_prompt_of_tokens_says_so_and_names_another_way(method, says, how, mini_old, mini_new):
    plugin = Plugin(method, {}, plugin_of(CoOp(n_ctx=3), mini_old).origin)
    assert not has_tokens(method)
    with pytest.raises(IncompatibleError, match=says):
        repair(plugin, Upgrade(mini_old, mini_new), how=how)


def test_what_it_does_not_read_is_refused(mini_old, mini_new):
    upgrade, plugin = Upgrade(mini_old, mini_new), plugin_of(PROMPTS["CoOp"], mini_old)
    with pytest.raises(ConfigError, match="reads no pictures; drop them, or use how='imitate'"):
        repair(plugin, upgrade, toy_dataset().unlabelled, how="tokens")
    with pytest.raises(ConfigError, match="coop reads no image features, so that sentences tell it nothing"):
        repair(plugin, upgrade, how="anchors", sentences=SENTENCES)
    with pytest.raises(ConfigError, match="kind is of a map, and how='anchors' fits none"):
        repair(plugin, upgrade, how="anchors", kind="ridge")
    with pytest.raises(ConfigError, match="A prompt can do without both: how='tokens' or 'anchors'"):
        repair(plugin, upgrade)


def test_backbones_that_share_too_few_tokens_are_refused(mini_old, monkeypatch):
    other = load_backbone("mini-new", "random:2", device="cpu", dtype="float32")
    plugin = plugin_of(PROMPTS["CoOp"], mini_old)
    few = dict(list(other.tokenizer.encoder.items())[:100])
    monkeypatch.setattr(other.tokenizer, "encoder", few | {f"?{i}": 0 for i in range(1000)})
    with pytest.raises(IncompatibleError, match="have 100 tokens in common.*at least 128"):
        repair(plugin, Upgrade(mini_old, other), how="tokens")
    monkeypatch.setattr(other.tokenizer, "encoder", None)
    with pytest.raises(IncompatibleError, match="the tokenizer of mini-new does not list its tokens"):
        repair(plugin, Upgrade(mini_old, other), how="tokens")


def test_tokens_are_paired_by_their_text_and_not_by_their_number(mini_old, monkeypatch):
    other = load_backbone("mini-new", "random:2", device="cpu", dtype="float32")
    again = {token: 1273 - i for token, i in other.tokenizer.encoder.items()}
    monkeypatch.setattr(other.tokenizer, "encoder", again)
    old, new = common_embeddings(mini_old, other)
    token = list(mini_old.tokenizer.encoder)[7]
    assert torch.equal(new[7], other.text.embed(torch.tensor(again[token])))
    assert torch.equal(old[7], mini_old.text.embed(torch.tensor(mini_old.tokenizer.encoder[token])))
