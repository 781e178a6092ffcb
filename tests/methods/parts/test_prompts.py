"""CoOp's prompts and the zero-shot classifier, against references that put them together piece by piece."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.text.input import Injection
from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.methods.parts.prompts import POSITIONS, PromptTable, context_embeddings, readable, zero_shot_weights
from tests.reference.coop import prompt_rows

NAMES = ["red fox", "fox", "snow leopard cub", "Siberian_husky", "baby's T-shirt"]
FUSED = [  # ImageNet names after which "." and ")" become one token
    "kite (bird of prey)",
    "Mexican hairless dog (xoloitzcuintli)",
    "ram (adult male sheep)",
    "impala (antelope)",
    "military hat (bearskin or shako)",
    "cherimoya (custard apple)",
]


def expected_prompt(backbone, name, context, position):
    """The reference, from ids of open_clip's own tokenizer call."""
    n_ctx = len(context)
    name = name.replace("_", " ")
    ids = backbone.tokenizer(["X " * n_ctx + name + "."])[0]
    suffix = ids[1 + n_ctx : int(ids.argmax()) + 1].tolist()
    length = int(backbone.tokenizer([name])[0].argmax()) - 1
    table = getattr(backbone._model, "text", backbone._model).token_embedding.weight
    return prompt_rows(table, int(ids[0]), suffix, length, context, position)


@pytest.mark.parametrize("csc", [False, True])
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("n_ctx", [1, 4, 5])
@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_prompts_are_exactly_coops(name, n_ctx, position, csc, request):
    backbone = request.getfixturevalue(name)
    shape = (len(NAMES),) * csc + (n_ctx, backbone.width)
    context = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    table = PromptTable.of(backbone, NAMES, n_ctx, position)
    rows = table.fill(context)
    assert len({int(e) for e in table.eot}) > 2  # names of several lengths
    for i, classname in enumerate(NAMES):
        expected = expected_prompt(backbone, classname, context[i] if csc else context, position)
        assert table.eot[i] == len(expected) - 1
        assert torch.equal(rows[i, : len(expected)], expected)
    assert rows.shape[1] == int(table.eot.max()) + 1  # no padding but what the longest name forces


@pytest.mark.parametrize("position", POSITIONS)
def test_names_that_end_in_a_bracket_keep_coops_fused_token(full_size, position):
    context = torch.randn(4, 512, generator=torch.Generator().manual_seed(0))
    table = PromptTable.of(full_size.old, FUSED, 4, position)
    rows = table.fill(context)
    for i, name in enumerate(FUSED):
        expected = expected_prompt(full_size.old, name, context, position)
        assert torch.equal(rows[i, : len(expected)], expected)
    # the trap is real: the period has no token of its own after these names
    (fused,) = full_size.old.tokenizer.encode(").")
    assert all(full_size.old.tokenizer.encode(name + ".")[-1] == fused for name in FUSED)


def test_the_three_positions_differ(mini_old):
    context = torch.randn(4, mini_old.width)
    end, middle, front = (PromptTable.of(mini_old, NAMES, 4, p).fill(context) for p in POSITIONS)
    assert not torch.equal(end, middle) and not torch.equal(middle, front) and not torch.equal(end, front)


def test_gradients_reach_every_context_row_in_every_position(mini_old):
    for position in POSITIONS:
        context = torch.randn(3, mini_old.width, requires_grad=True)
        PromptTable.of(mini_old, NAMES, 3, position).fill(context).sum().backward()
        assert torch.equal(context.grad, torch.full_like(context, len(NAMES)))


def test_an_unknown_position_names_the_known_ones(mini_old):
    with pytest.raises(UnknownNameError, match="end, front, middle"):
        PromptTable.of(mini_old, NAMES, 4, "ende")


def test_too_many_context_tokens_for_a_name_are_refused_and_never_cut(mini_old):
    room = mini_old.context_length - 3  # SOS, ".", EOT
    length = len(mini_old.tokenizer.encode(NAMES[2]))
    assert PromptTable.of(mini_old, [NAMES[2]], room - length).embeddings.shape[1] == mini_old.context_length
    with pytest.raises(ConfigError, match=f"{mini_old.context_length + 1} tokens"):
        PromptTable.of(mini_old, [NAMES[2]], room - length + 1)


def test_underscores_are_read_as_spaces(mini_old):
    assert readable("annual_crop_land") == "annual crop land"
    a, b = (PromptTable.of(mini_old, [name], 2) for name in ("red_fox", "red fox"))
    assert torch.equal(a.embeddings, b.embeddings)


def test_context_embeddings_are_the_rows_of_the_words(full_size, mini_old):
    for backbone in (full_size.old, full_size.new, mini_old):
        rows = context_embeddings(backbone, "a photo of a")
        ids = backbone.tokenizer(["a photo of a"])[0]
        table = getattr(backbone._model, "text", backbone._model).token_embedding.weight
        assert torch.equal(rows, table[ids[1 : int(ids.argmax())]])
    assert len(context_embeddings(full_size.old, "a photo of a")) == 4
    rows = context_embeddings(full_size.old, "a photomicrograph of a")
    assert len(rows) == len(full_size.old.tokenizer.encode("a photomicrograph of a")) > 4  # tokens, not words
    rows.zero_()
    assert context_embeddings(full_size.old, "a photo of a").abs().min(1).values.max() > 0  # a copy, not the table


@pytest.mark.parametrize("templates", ["a photo of a {}.", ("a photo of a {}.", "art of the {}.", "{} texture")])
def test_zero_shot_weights_average_unit_features_of_each_template(mini_old, templates):
    weights = zero_shot_weights(mini_old, NAMES, templates)
    for i, name in enumerate(NAMES):
        total = 0
        for template in [templates] if isinstance(templates, str) else templates:
            text = template.replace("{}", name.replace("_", " "))
            feature = mini_old._model.encode_text(mini_old.tokenizer([text]))[0]
            total = total + feature / feature.norm()
        torch.testing.assert_close(weights[i], (total / total.norm()).detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("templates", [(), "a photo.", ("a {}.", "none")])
def test_templates_without_a_place_for_the_name_are_refused(mini_old, templates):
    with pytest.raises(ConfigError, match="template"):
        zero_shot_weights(mini_old, NAMES, templates)


def test_weights_that_are_not_normalised_average_the_towers_raw_outputs(mini_old):
    templates = ("a photo of a {}.", "art of the {}.")
    raw = zero_shot_weights(mini_old, NAMES, templates, normalize=False)
    for i, name in enumerate(NAMES):
        ids = mini_old.tokenizer([t.replace("{}", name.replace("_", " ")) for t in templates])
        torch.testing.assert_close(raw[i], mini_old._model.encode_text(ids).mean(0).detach(), rtol=0, atol=1e-5)
    assert (raw.norm(dim=-1) - 1).abs().min() > 0.1


@pytest.mark.parametrize(("position", "lead"), [("end", 5), ("middle", 3), ("front", 1)])
def test_a_table_knows_how_many_leading_rows_classes_share(mini_old, position, lead):
    table = PromptTable.of(mini_old, ("owl", "snow leopard cub"), 4, position)
    context = torch.randn(4, mini_old.width, generator=torch.Generator().manual_seed(1))
    filled = table.fill(context)
    same = (filled[0] == filled[1]).all(-1)
    assert table.prefix == lead and same[:lead].all() and not same[lead]
    assert table.prompts(context).packing.shared == (lead if lead >= 4 else 0)  # fewer are not worth it
    assert table.prompts(context.expand(2, -1, -1)).packing.shared == 0


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("kind", ["one", "each", "groups", "none"])
def test_packed_prompts_hold_the_rows_of_filled_ones(mini_old, position, kind):
    names, width = ("owl", "snow leopard cub", "red fox"), mini_old.width
    table = PromptTable.of(mini_old, names, 5, position)
    shape = {"one": (5, width), "each": (3, 5, width), "groups": (2, 5, width), "none": (5, width)}[kind]
    context = torch.randn(shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    if kind == "groups":
        prompts, filled = table.grouped(context), torch.cat([table.fill(c) for c in context])
    elif kind == "none":
        prompts, filled = table.prompts(), table.embeddings
        filled = filled if table.order is None else filled.gather(1, table.order[..., None].expand_as(filled))
    else:
        prompts, filled = table.prompts(context), table.fill(context)
    eot = torch.tensor(prompts.packing.lengths) - 1
    for i, end in enumerate(eot.tolist()):
        rows = prompts.packing.find(torch.full((end + 1,), i), torch.arange(end + 1))
        assert torch.equal(prompts.rows[rows], filled[i, : end + 1])
    if kind != "none":
        probe = torch.randn(len(filled), mini_old.dim, generator=torch.Generator().manual_seed(2))
        gradients = []
        for features in (mini_old.text.run(prompts), mini_old.text(filled, eot)):
            (features * probe).sum().backward()
            gradients.append(context.grad)
            context.grad = None
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_a_shared_context_goes_with_vectors_that_differ_between_classes(mini_old):
    table, context = PromptTable.of(mini_old, NAMES, 4), torch.randn(4, mini_old.width)
    inject = [Injection(1, torch.randn(len(NAMES), 2, mini_old.width))]
    expected = mini_old.text(table.fill(context), table.eot, inject)
    torch.testing.assert_close(mini_old.text.run(table.prompts(context, inject)), expected, rtol=0, atol=1e-5)
