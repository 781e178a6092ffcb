"""What of a class the context gets to see: every reading of c_i, against rows picked one by one."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import ConfigError, IncompatibleError, UnknownNameError
from clipcompat.methods.parts.condition import Condition
from tests.reference.contcoop import condition_rows, pool_rows
from tests.slow import ids_of, slow_condition, slow_zero_shot, state_of
from tests.tiny import tiny_backbone

NAMES = ["red fox", "owl", "snow leopard_cub"]
N = 4


def real_rows(condition, backbone, names=NAMES, positions=False, n_ctx=N):
    rows, mask = condition.rows(backbone, names, n_ctx, positions)
    assert rows.shape[:2] == mask.shape and mask.any(0).all() and not rows.requires_grad
    return [r[m] for r, m in zip(rows, mask, strict=True)]


@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize(
    "include", [(), ("period",), ("eot",), ("sos",), ("period", "eot"), ("sos", "eot"), ("eot", "period", "sos")]
)
@pytest.mark.parametrize("pool", ["tokens", "mean", "first", "last"])
@pytest.mark.parametrize("name", ["tiny", "mini_new"])
def test_rows_are_the_chosen_tokens_embeddings(name, pool, include, positions, request):
    backbone = request.getfixturevalue(name)
    ours = real_rows(Condition(pool=pool, include=include), backbone, positions=positions)
    for rows, classname in zip(ours, NAMES, strict=True):
        expected = slow_condition(backbone, classname, N, positions, include=include, pool=pool)
        torch.testing.assert_close(rows, expected, rtol=0, atol=1e-7)


def test_default_is_one_row_a_name_token_and_nothing_else(tiny):
    ours = real_rows(Condition(), tiny)
    assert [len(rows) for rows in ours] == [2, 1, 3]
    table = state_of(tiny)["token_embedding.weight"]
    assert torch.equal(ours[2], table[tiny.tokenizer.encode("snow leopard cub")])


@pytest.mark.parametrize("template", ["a photo of a {}", "{} cub"])
def test_a_template_adds_its_tokens(tiny, template):
    ours = real_rows(Condition(template=template), tiny)
    table = state_of(tiny)["token_embedding.weight"]
    for rows, name in zip(ours, NAMES, strict=True):
        text = template.replace("{}", name.replace("_", " "))
        assert torch.equal(rows, table[tiny.tokenizer.encode(text)])


def test_a_templates_own_period_is_a_row_and_does_not_fuse_with_another(full_size):
    encode, table = full_size.old.tokenizer.encode, state_of(full_size.old)["token_embedding.weight"]
    assert len(encode("..")) == 1  # the trap
    rows = real_rows(Condition(template="a photo of a {}."), full_size.old, ["owl", "kite (bird)"])
    assert torch.equal(rows[0], table[encode("a photo of a owl.")])
    assert torch.equal(rows[1], table[encode("a photo of a kite (bird).")])


@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize("pool", ["tokens", "mean", "first", "last"])
def test_suffix_full_is_coops_buffer_with_all_its_padding(tiny, pool, positions):
    ours = real_rows(Condition(source="suffix_full", pool=pool), tiny, positions=positions)
    state = state_of(tiny)
    for rows, name in zip(ours, NAMES, strict=True):
        ids = ids_of(tiny, "x " * N + name.replace("_", " ") + ".")
        ids += [0] * (tiny.context_length - len(ids))
        whole = state["token_embedding.weight"][ids] + (state["positional_embedding"] if positions else 0)
        assert len(whole[1 + N :]) == tiny.context_length - 1 - N
        torch.testing.assert_close(rows, pool_rows(list(whole[1 + N :]), pool), rtol=0, atol=1e-7)


@pytest.mark.parametrize("template", ["{}", "a photo of a {}"])
def test_text_feature_is_the_towers_unit_output_for_the_name(tiny, template):
    rows, mask = Condition(pool="text_feature", template=template).rows(tiny, NAMES, N)
    expected = slow_zero_shot(tiny, NAMES, template)
    assert rows.shape == (3, 1, tiny.width) and mask.all()
    torch.testing.assert_close(rows[:, 0], expected / expected.norm(dim=-1, keepdim=True), rtol=0, atol=1e-6)


def test_the_control_has_no_row_for_any_class(tiny):
    rows, mask = Condition(pool="none").rows(tiny, NAMES, N, positions=True)
    assert rows.shape == (3, 0, tiny.width) and mask.shape == (3, 0)


def test_text_features_of_another_width_are_refused():
    narrow = tiny_backbone(width=24, layers=1)
    with pytest.raises(IncompatibleError, match="16 and 24"):
        Condition(pool="text_feature").rows(narrow, NAMES, N)


def test_a_bracket_and_the_period_share_a_row(full_size):
    """Names that end in ")": the fused token is the name's last row, and no row is left for the period."""
    names = ["kite (bird of prey)", "impala (antelope)", "kite"]
    encode = full_size.old.tokenizer.encode
    table = state_of(full_size.old)["token_embedding.weight"]
    plain = real_rows(Condition(), full_size.old, names)
    with_period = real_rows(Condition(include=("period",)), full_size.old, names)
    for name, rows, longer in zip(names, plain, with_period, strict=True):
        assert len(rows) == len(encode(name))
        assert torch.equal(rows, table[encode(name + ".")[: len(rows)]])
        assert len(longer) == len(rows) + (not name.endswith(")"))
    (fused,) = encode(").")
    assert torch.equal(plain[0][-1], table[fused]) and not torch.equal(plain[0][-1], table[encode(")")[0]])


def test_other_classes_longer_names_change_no_row_of_a_class(tiny):
    for condition in (Condition(), Condition(include=("eot",)), Condition(pool="last"), Condition(pool="mean")):
        alone = real_rows(condition, tiny, ["owl"])[0]
        assert torch.equal(real_rows(condition, tiny, ["owl", "grey snow leopard cub of snow"])[0], alone)


def test_rows_come_from_the_backbone_in_use(mini_old, mini_new):
    old, new = (real_rows(Condition(), b)[0] for b in (mini_old, mini_new))
    assert old.shape == new.shape and not torch.allclose(old, new)


def test_the_reference_knows_where_rows_stand():
    """One small case by hand, so that reference and code cannot share a wrong idea of positions."""
    table, positions = torch.arange(10.0)[:, None], 100 * torch.arange(10.0)[:, None]
    rows = condition_rows(table, [8, 1, 2, 3, 9], 2, ("sos", "period", "eot"), positions=positions, n_ctx=4)
    # the finished prompt: SOS at 0, context at 1 … 4, name at 5 and 6, period at 7, EOT at 8
    assert rows.flatten().tolist() == [8, 501, 602, 703, 809]


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"pool": "max"}, UnknownNameError, "condition.pool"),
        ({"source": "suffix"}, UnknownNameError, "condition.source.*suffix_full"),
        ({"include": ("dot",)}, UnknownNameError, "condition.include"),
        ({"template": "a photo"}, ConfigError, "condition.template"),
        ({"source": "suffix_full", "include": ("eot",)}, ConfigError, "holds every row already"),
        ({"source": "suffix_full", "template": "a {}"}, ConfigError, "holds every row already"),
        ({"pool": "text_feature", "include": ("eot",)}, ConfigError, "one row per class"),
        ({"pool": "text_feature", "source": "suffix_full"}, ConfigError, "one row per class"),
        ({"pool": "none", "include": ("eot",)}, ConfigError, "no rows"),
        ({"pool": "none", "source": "suffix_full"}, ConfigError, "no rows"),
        ({"pool": "none", "template": "a photo of a {}"}, ConfigError, "no rows"),
    ],
)
def test_switches_that_cannot_be_meant_are_refused(values, error, words):
    with pytest.raises(error, match=words):
        Condition(**values)
