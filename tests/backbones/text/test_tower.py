"""The text tower against open_clip's own, at full size, and against a reference that works row by row."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.text import block as causal_block
from clipcompat.backbones.text.input import Injection, Prompts
from clipcompat.backbones.text.tower import TextTower
from clipcompat.common.errors import CheckpointError, ConfigError
from clipcompat.methods.parts.prompts import PromptTable
from tests.reference.text_transformer import activate, text_feature
from tests.slow import state_of

LONG = " ".join(["fox"] * 75)  # with SOS and EOT the whole context
RAGGED = ["fox.", "", "a", "a photo of a snow leopard cub, a type of animal.", LONG]


@pytest.fixture(params=["few rows masked", "none masked"], autouse=True)
def attention(request, monkeypatch):
    """Small packings take another kernel than large ones: everything here holds for both."""
    if request.param == "none masked":
        monkeypatch.setattr(causal_block, "_MASKED", {"other": 0})


def random_prompts(tower, lengths, seed=0):
    """Padded embeddings and EOT rows of prompts of these lengths; the padding is large, so that a leak shows."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(lengths), max(lengths), tower.width, generator=generator) * 0.3
    for row, length in zip(x, lengths, strict=True):
        row[length:] = 50.0
    return x, torch.tensor(lengths) - 1


@pytest.mark.parametrize("generation", ["old", "new"])
def test_tower_equals_open_clip_at_full_size(full_size, generation):
    backbone = getattr(full_size, generation)
    ids = backbone.tokenizer(RAGGED)
    assert ids.argmax(-1).tolist()[1:3] == [1, 2] and ids.argmax(-1)[-1] == 76
    with torch.no_grad():
        theirs = backbone._model.encode_text(ids)
        ours = backbone.text(backbone.text.embed(backbone.tokenize(RAGGED)), ids.argmax(-1))
        eots = ids.argmax(-1).split(1)
        trimmed = [
            backbone.text(backbone.text.embed(backbone.tokenize([text])), eot)
            for text, eot in zip(RAGGED, eots, strict=True)
        ]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cat(trimmed), theirs, rtol=0, atol=1e-5)
    assert theirs.abs().mean() > 0.1  # the tolerance is small against the features


def test_full_size_pair_has_the_two_classes_and_activations_of_clip_and_eva(full_size):
    assert (type(full_size.old._model).__name__, full_size.old.text.activation) == ("CLIP", "quick_gelu")
    assert (type(full_size.new._model).__name__, full_size.new.text.activation) == ("CustomTextCLIP", "gelu")
    for backbone in (full_size.old, full_size.new):
        tower = backbone.text
        assert (tower.width, tower.heads, tower.layers, tower.context_length, tower.dim) == (512, 8, 12, 77, 512)


@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_tower_equals_the_row_by_row_reference(name, request):
    backbone = request.getfixturevalue(name)
    tower, lengths = backbone.text, [2, 9, 3]
    x, eot = random_prompts(tower, lengths)
    expected = [
        text_feature(state_of(backbone), row[:length], tower.heads, tower.activation)
        for row, length in zip(x, lengths, strict=True)
    ]
    torch.testing.assert_close(tower(x, eot), torch.stack(expected), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_gradients_of_embeddings_equal_open_clips(name, request):
    backbone = request.getfixturevalue(name)
    tower, model = backbone.text, backbone._model
    parts = getattr(model, "text", model)
    ids = backbone.tokenizer(["a red fox.", "owl", "a snow leopard cub in the snow."])
    probe = torch.randn(3, tower.dim, generator=torch.Generator().manual_seed(1))
    # open_clip starts from ids: make its token table the leaf and compare with ours, gathered
    table = parts.token_embedding.weight
    table.requires_grad_(True)
    try:
        (model.encode_text(ids) * probe).sum().backward()
        theirs, table.grad = table.grad, None
    finally:
        table.requires_grad_(False)
    trimmed = ids[:, : int(ids.argmax(-1).max()) + 1]
    leaf = tower.embed(trimmed).requires_grad_()
    (tower(leaf, ids.argmax(-1)) * probe).sum().backward()
    ours = torch.zeros_like(theirs).index_add_(0, trimmed.flatten(), leaf.grad.flatten(0, 1))
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_gradients_equal_the_references_and_stop_at_eot(name, request):
    backbone = request.getfixturevalue(name)
    tower, lengths = backbone.text, [4, 7]
    x, eot = random_prompts(tower, lengths)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    tower(ours, eot).square().sum().backward()
    state = state_of(backbone)
    features = [text_feature(state, theirs[i, :n], tower.heads, tower.activation) for i, n in enumerate(lengths)]
    torch.stack(features).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)
    assert ours.grad[0, 4:].abs().max() == 0


@pytest.mark.parametrize("shared", [0, 5])
@pytest.mark.parametrize("kept", [["nothing"], ["blocks"], ["nothing", "blocks", "everything"]], ids=len)
@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_parts_and_what_is_run_again_change_nothing(name, kept, shared, request, monkeypatch):
    """Every way of spending memory gives the features and gradients of the one that keeps everything."""
    backbone = request.getfixturevalue(name)
    x, eot = random_prompts(backbone.text, [9, 6, 7, 12, 6, 9, 8])
    x[:, :5] = x[:1, :5]
    found = []
    for whole in (True, False):
        if not whole:
            trained = dict.fromkeys(("cpu", "other"), 96 * backbone.width)
            monkeypatch.setattr("clipcompat.backbones.text.tower._TRAINING", trained)
            levels = lambda rows, *_: (kept * len(rows))[: len(rows)]  # noqa: E731
            monkeypatch.setattr("clipcompat.backbones.text.tower.plan", levels)
        tower, leaf = backbone.with_memory_budget(1 << 40 if whole else 1 << 39).text, x.clone().requires_grad_()
        packing = tower.pack((eot + 1).tolist(), shared)
        prompt, token = packing.prompt_and_token
        out = tower.run(Prompts(leaf[prompt, token], packing))
        (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
        found.append((out.detach(), leaf.grad))
        assert (len(tower._plan(packing, trained=True)[0]) == 1) == whole
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * float(one.abs().max()))


@pytest.mark.parametrize("limit", [1 << 40, 1])
def test_injected_vectors_go_with_their_prompts_into_parts(mini_old, limit):
    x, eot = random_prompts(mini_old.text, [9, 6, 7, 12, 6])
    vectors = torch.randn(5, 2, mini_old.width, generator=torch.Generator().manual_seed(3))
    tower, alone = mini_old.with_memory_budget(limit).text, []
    for layer, insert in ((2, False), (3, True)):
        leaf = vectors.clone().requires_grad_()
        out = tower(x, eot, [Injection(layer, leaf, insert)])
        out.sum().backward()
        inject = [[Injection(layer, own, insert)] for own in vectors]
        alone = [mini_old.text(x[i : i + 1, : eot[i] + 1], eot[i : i + 1], inject[i]) for i in range(5)]
        torch.testing.assert_close(out, torch.cat(alone), rtol=0, atol=2e-5)
        assert (leaf.grad.flatten(1).norm(dim=-1) > 0).all()


@pytest.mark.parametrize("insert", [False, True])
@pytest.mark.parametrize("layer", [0, 2, 5])
def test_vectors_for_all_classes_enter_a_shared_lead(mini_new, layer, insert):
    """Sharing goes on behind them; the result is that of prompts without sharing."""
    tower = mini_new.text
    x, eot = random_prompts(tower, [9, 12, 7])
    x[:, :6] = x[:1, :6]
    vectors = torch.randn(4, tower.width, generator=torch.Generator().manual_seed(3))
    found = []
    for shared in (6, 0):
        leaf = vectors.clone().requires_grad_()
        out = tower(x, eot, [Injection(layer, leaf, insert)], shared=shared)
        (out * torch.linspace(-1, 1, tower.dim)).sum().backward()
        found.append((out.detach(), leaf.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_other_vectors_for_each_class_cannot_enter_what_classes_share(mini_new):
    x, eot = random_prompts(mini_new.text, [9, 12])
    with pytest.raises(ConfigError, match="shared=0"):
        mini_new.text(x, eot, [Injection(2, torch.zeros(2, 3, mini_new.width))], shared=6)


@pytest.mark.parametrize("generation", ["old", "new"])
@pytest.mark.parametrize("names", [["owl"], None], ids=["one class", "sixty"])
@pytest.mark.parametrize("shared", [True, False])
def test_the_fast_path_is_the_77_token_one_at_full_size(full_size, generation, names, shared):
    """Ragged names, one class and many: unit features to 1e-6, gradients of the context to 1e-5 of the largest."""
    import open_clip

    backbone = getattr(full_size, generation)
    parts, names = getattr(backbone._model, "text", backbone._model), names or open_clip.IMAGENET_CLASSNAMES[:60]
    table = PromptTable.of(backbone, names, 16)
    generator, found = torch.Generator().manual_seed(1), []
    context = 0.02 * torch.randn(*(() if shared else (len(names),)), 16, 512, generator=generator)
    probe = torch.randn(len(names), 512, generator=generator)
    for fast in (True, False):
        leaf = context.clone().requires_grad_()
        if fast:
            out = backbone.text.run(table.prompts(leaf))
        else:
            x = table.fill(leaf)
            pad = backbone.text.embed(torch.zeros(1, 1, dtype=torch.int64)).expand(len(x), 77 - x.shape[1], -1)
            x = parts.transformer(torch.cat([x, pad], 1) + parts.positional_embedding, attn_mask=parts.attn_mask)
            out = parts.ln_final(x)[torch.arange(len(x)), table.eot] @ parts.text_projection
        out = torch.nn.functional.normalize(out, dim=-1)
        (out * probe).sum().backward()
        found.append((out.detach(), leaf.grad))
    (ours, gradient), (theirs, wanted) = found
    assert (ours - theirs).abs().max() < 1e-6
    assert (gradient - wanted).abs().max() < 1e-5 * wanted.abs().max()


SHARING = [(s, n, k) for s in ("mini_old", "mini_new") for n in (1, 4, 9) for k in (1, 2, 4)]


@pytest.mark.parametrize(("side", "shared", "prompts"), [*SHARING, ("old", 9, 4), ("new", 9, 4)])
def test_shared_rows_are_computed_once_and_nothing_changes(request, full_size, side, shared, prompts):
    """Features and gradients of the fast path are those of the plain one, at mini and at full size."""
    backbone = request.getfixturevalue(side) if side.startswith("mini") else getattr(full_size, side)
    tower = backbone.text
    generator = torch.Generator().manual_seed(shared)
    prefix = 0.5 * torch.randn(shared, tower.width, generator=generator)
    own = 0.5 * torch.randn(prompts, 6, tower.width, generator=generator)
    eot = shared + torch.tensor([5, 0, 3, 2])[:prompts]
    found = []
    for count in (shared, 0):
        leaves = [t.clone().requires_grad_() for t in (prefix, own)]
        x = torch.cat([leaves[0].expand(prompts, -1, -1), leaves[1]], dim=1)
        out = tower(x, eot, shared=count)
        (out * torch.linspace(-1, 1, tower.dim)).sum().backward()
        found.append((out.detach(), *(leaf.grad for leaf in leaves)))
    for fast, plain in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5 * float(plain.abs().max()))


@pytest.mark.parametrize("shared", [4, 6])
@pytest.mark.parametrize("side", ["old", "new"])
def test_groups_share_their_own_rows_and_nothing_changes(request, side, shared):
    tower = request.getfixturevalue(f"mini_{side}").text
    generator = torch.Generator().manual_seed(shared)
    prefix = 0.5 * torch.randn(3, shared, tower.width, generator=generator)  # three groups of two prompts
    own = 0.5 * torch.randn(6, 5, tower.width, generator=generator)
    eot = shared + torch.tensor([4, 0, 3, 2, 1, 4])
    outputs = []
    for count, groups in ((shared, 3), (0, 1)):
        leaves = prefix.clone().requires_grad_(), own.clone().requires_grad_()
        x = torch.cat([leaves[0].repeat_interleave(2, 0), leaves[1]], dim=1)
        out = tower(x, eot, shared=count, groups=groups)
        (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
        outputs.append((out.detach(), *(leaf.grad for leaf in leaves)))
    for fast, plain in zip(*outputs, strict=True):
        assert (fast - plain).abs().max() < 1e-5 * max(1.0, float(plain.abs().max()))


def test_rows_that_are_not_shared_are_not_taken_for_shared(mini_old):
    """The promise matters: with rows that differ, sharing them gives something else (so the fast path does run)."""
    x, eot = random_prompts(mini_old.text, [8, 9])
    assert not torch.allclose(mini_old.text(x, eot, shared=5)[1], mini_old.text(x, eot)[1], atol=1e-3)
    assert torch.allclose(mini_old.text(x, eot, shared=5)[0], mini_old.text(x, eot)[0], atol=1e-5)


def test_what_follows_eot_changes_nothing(mini_old):
    x, eot = random_prompts(mini_old.text, [4, 9])
    changed = x.clone()
    changed[0, 4:] = -7.0
    assert torch.equal(mini_old.text(x, eot), mini_old.text(changed, eot))
    changed[0, 3] += 0.1
    assert not torch.allclose(mini_old.text(x, eot), mini_old.text(changed, eot))


def test_prompts_of_a_batch_do_not_see_each_other(mini_new):
    x, eot = random_prompts(mini_new.text, [4, 9, 6])
    alone = torch.cat([mini_new.text(x[i : i + 1, : eot[i] + 1], eot[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(mini_new.text(x, eot), alone, rtol=0, atol=1e-5)


def test_quick_gelu_and_gelu_give_different_features(mini_old):
    state, tower = state_of(mini_old), mini_old.text
    x, eot = random_prompts(tower, [6])
    right = text_feature(state, x[0], tower.heads, "quick_gelu")
    wrong = text_feature(state, x[0], tower.heads, "gelu")
    assert (right - wrong).abs().max() > 1e-3
    torch.testing.assert_close(tower(x, eot)[0], right, rtol=1e-5, atol=2e-5)
    assert (activate(torch.tensor(1.0), "quick_gelu") - activate(torch.tensor(1.0), "gelu")).abs() > 3e-3


@pytest.mark.parametrize("insert", [False, True])
@pytest.mark.parametrize("layer", range(6))
def test_injection_equals_the_reference_at_every_layer(mini_old, layer, insert):
    tower, lengths = mini_old.text, [6, 9]
    x, eot = random_prompts(tower, lengths)
    shared = torch.randn(3, tower.width, generator=torch.Generator().manual_seed(5))
    for vectors in (shared, torch.stack([shared, -shared])):
        ours = tower(x, eot, [Injection(layer, vectors, insert)])
        state, expected = state_of(mini_old), []
        for i, n in enumerate(lengths):
            own = vectors if vectors.ndim == 2 else vectors[i]
            expected.append(text_feature(state, x[i, :n], tower.heads, tower.activation, layer, own, insert))
        torch.testing.assert_close(ours, torch.stack(expected), rtol=1e-5, atol=2e-5)


def test_two_injections_act_at_their_own_layers(mini_old):
    tower = mini_old.text
    x, eot = random_prompts(tower, [8])
    a, b = (torch.full((2, tower.width), v) for v in (0.2, -0.4))
    both = tower(x, eot, [Injection(1, a), Injection(4, b)])
    assert torch.equal(both, tower(x, eot, [Injection(4, b), Injection(1, a)]))
    for fewer in ([Injection(1, a)], [Injection(4, b)], [Injection(4, a), Injection(1, b)]):
        assert not torch.allclose(both, tower(x, eot, fewer))


def test_overwriting_at_layer_0_is_assembling_the_prompt(mini_old):
    tower = mini_old.text
    x, eot = random_prompts(tower, [8, 11])
    vectors = torch.randn(4, tower.width)
    assembled = torch.cat([x[:, :1], vectors.expand(2, -1, -1), x[:, 5:]], dim=1)
    assert torch.equal(tower(x, eot, [Injection(0, vectors)]), tower(assembled, eot))


@pytest.mark.parametrize("layers", [[-1], [6], [2, 2]])
def test_layers_that_do_not_exist_or_come_twice_are_refused(mini_old, layers):
    x, eot = random_prompts(mini_old.text, [8])
    vectors = torch.zeros(2, mini_old.width)
    with pytest.raises(ConfigError, match="0 … 5"):
        mini_old.text(x, eot, [Injection(layer, vectors) for layer in layers])


def test_overwriting_more_rows_than_a_prompt_has_is_refused(mini_old):
    x, eot = random_prompts(mini_old.text, [4, 9])
    assert mini_old.text(x, eot, [Injection(2, torch.zeros(2, mini_old.width))]).isfinite().all()
    # three rows would replace the EOT row of the first prompt, though there is padding left to overwrite
    with pytest.raises(ConfigError, match="overwrite"):
        mini_old.text(x, eot, [Injection(2, torch.zeros(3, mini_old.width))])
    with pytest.raises(ConfigError, match="overwrite"):
        mini_old.text(x, eot, [Injection(0, torch.zeros(20, mini_old.width))])


def test_prompts_longer_than_the_context_are_refused(mini_old):
    tower = mini_old.text
    fits, eot = random_prompts(tower, [tower.context_length])
    assert tower(fits, eot).isfinite().all()
    with pytest.raises(ConfigError, match=f"{tower.context_length + 1} tokens"):
        tower(*random_prompts(tower, [tower.context_length + 1]))
    with pytest.raises(ConfigError, match=f"{tower.context_length + 2} tokens"):
        tower(fits, eot, [Injection(0, torch.zeros(2, tower.width), insert=True)])


def test_bfloat16_towers_stay_close_to_float32(mini_old):
    x, eot = random_prompts(mini_old.text, [6, 9])
    fine = mini_old.text(x, eot)
    coarse = TextTower(mini_old._model, torch.bfloat16)(x, eot)
    assert coarse.dtype == torch.float32
    assert 0 < (coarse - fine).abs().max() < 0.1
    assert torch.nn.functional.cosine_similarity(coarse, fine).min() > 0.999


def test_embed_looks_up_the_token_table_without_gradient(mini_new):
    ids = torch.tensor([[3, 1], [0, 7]])
    rows = mini_new.text.embed(ids)
    assert torch.equal(rows, mini_new._model.text.token_embedding.weight[ids]) and not rows.requires_grad
    assert torch.equal(mini_new.text.positions, mini_new._model.text.positional_embedding)


VISION = {"image_size": 8, "patch_size": 4, "width": 8, "head_width": 4, "layers": 1}
TEXT = {"context_length": 8, "vocab_size": 20, "width": 8, "heads": 2, "layers": 1}


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"no_causal_mask": True}, "causal mask"),
        ({"pool_type": "last"}, "pooling"),
        ({"pool_type": "eos"}, "pooling"),
        ({"embed_cls": True}, "class token"),
        ({"proj_type": "none"}, "projection"),
        ({"proj_bias": True}, "projection"),
    ],
)
def test_text_towers_of_another_kind_are_refused(changes, lacks):
    from open_clip.model import CustomTextCLIP

    TextTower(CustomTextCLIP(8, VISION, TEXT))
    with pytest.raises(CheckpointError, match=lacks):
        TextTower(CustomTextCLIP(8, VISION, {**TEXT, **changes}))


def test_cocas_text_tower_is_refused():
    from open_clip.coca_model import CoCa

    with pytest.raises(CheckpointError, match="cannot take learned prompts"):
        TextTower(
            CoCa(8, {"width": 8, "heads": 2, "layers": 1, "context_length": 8}, {**TEXT, "embed_cls": True}, VISION)
        )
