"""What a Dassl checkpoint holds, method by method: settings from shapes, and refusals that name the entries."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import CheckpointError, ClipcompatError, ConfigError, IncompatibleError
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.kgcoop import KgCoOp
from tests.official import adapter, buffers, checkpoint, context, meta_net, refused, states, write_run
from tests.toys import NAMES


def test_settings_follow_the_shapes(old, official_import, tmp_path):
    cases = [
        ("coop", context(old, 16), CoOp()),
        ("coop", context(old, 5), CoOp(n_ctx=5)),
        ("coop", context(old, 3, classes=3), CoOp(n_ctx=3, csc=True)),
        ("cocoop", context(old) | meta_net(old), CoCoOp()),
        ("cocoop", context(old, 7) | meta_net(old, 8), CoCoOp(n_ctx=7, ctx_init=None, reduction=8)),
        ("kgcoop", context(old), KgCoOp()),
        ("kgcoop", context(old, 16), KgCoOp(n_ctx=16, ctx_init=None)),
        ("clip_adapter", adapter(old, 8), CLIPAdapter(reduction=8)),
    ]
    for number, (name, state, expected) in enumerate(cases):
        torch.save(checkpoint(state), tmp_path / f"{number}")
        assert official_import(tmp_path / f"{number}", name).method == expected
        assert (
            official_import(tmp_path / f"{number}", type(expected)).method == expected
        )  # a class is as good as its name


@pytest.mark.parametrize(
    ("name", "method", "words"),
    [
        ("coop", CoOp(), ["n_ctx=4", "n_ctx=16", "'coop'"]),
        ("coop", CoOp(n_ctx=4, csc=True), ["csc=False", "csc=True"]),
        ("coop", CoOp(ctx_init="a photo of"), ["ctx_init=None", "ctx_init='a photo of'"]),
        ("cocoop", CoCoOp(reduction=8), ["reduction=16", "reduction=8"]),
        ("kgcoop", KgCoOp(n_ctx=8, ctx_init=None), ["n_ctx=4", "n_ctx=8"]),
        ("clip_adapter", CLIPAdapter(reduction=2), ["reduction=4", "reduction=2"]),
    ],
)
def test_a_method_that_contradicts_the_shapes_is_refused(official_run, official_import, name, method, words):
    with pytest.raises(ConfigError) as caught:
        official_import(official_run(name), method)
    refused(caught, "model.pth.tar-50", type(method).__name__, *words)


@pytest.mark.parametrize(
    ("written", "asked", "words"),
    [
        ("cocoop", "coop", ["meta_net.linear1.weight", "It looks like one of cocoop."]),
        ("kgcoop", "coop", ["bias_vectors", "It looks like one of kgcoop."]),
        ("coop", "cocoop", ["lacks meta_net.linear1.weight", "It looks like one of coop or kgcoop."]),
        ("cocoop", "kgcoop", ["meta_net.linear2.weight", "It looks like one of cocoop."]),
        ("clip_adapter", "coop", ["lacks ctx", "fc.0.weight", "It looks like one of clip_adapter."]),
        ("coop", "clip_adapter", ["lacks fc.0.weight, fc.2.weight", "holds ctx, token_prefix"]),
    ],
)
def test_a_checkpoint_of_another_method_is_refused_and_named(official_run, official_import, written, asked, words):
    (folder,) = official_run(written).iterdir()
    with pytest.raises(CheckpointError) as caught:
        official_import(folder, asked)
    refused(caught, f"is no checkpoint of {asked}", *words)


@pytest.mark.parametrize(
    ("name", "lost"),
    [("coop", "ctx"), ("cocoop", "meta_net.linear2.bias"), ("kgcoop", "ctx"), ("clip_adapter", "fc.2.weight")],
)
def test_a_missing_entry_is_named(old, official_import, tmp_path, name, lost):
    folder, state, beside = states(old)[name]
    out = write_run(tmp_path, {k: t for k, t in (state | beside).items() if k != lost} | {"x": state[lost]}, folder)
    with pytest.raises(CheckpointError) as caught:
        official_import(out, name)
    refused(caught, f"it lacks {lost}", "it holds x")


def test_left_over_entries_are_named_up_to_five(old, official_import, tmp_path):
    out = write_run(tmp_path, context(old) | {f"VPT.{i}": torch.zeros(2) for i in range(9)})
    with pytest.raises(CheckpointError) as caught:
        official_import(out)
    refused(caught, "VPT.0, VPT.1, VPT.2, VPT.3, VPT.4 and 4 more")


def test_entries_with_odd_names_do_not_reach_a_terminal(old, official_import, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        official_import(write_run(tmp_path, context(old) | {"\x1b[2J\n": torch.zeros(1), "x" * 9999: torch.zeros(1)}))
    refused(caught, "holds \\x1b[2J\\n, xxx")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(128), "[128]"),
        (torch.zeros(1, 2, 3, 128), "[1, 2, 3, 128]"),
        (torch.zeros(()), "[]"),
        (torch.zeros(0, 128), "n_ctx"),
        (torch.zeros(4, 128).to_sparse(), "odd kind"),
        (torch.zeros(4, 128, dtype=torch.complex64), "odd kind"),
        (torch.zeros(4, 128, device="meta"), "odd kind"),
        (torch.zeros(1).expand(10**6, 10**6), "claims more numbers"),
        ([1.0, 2.0], "is a list"),
        (None, "is a NoneType"),
        (torch.zeros(200, 128), "200 context tokens do not fit"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*[Ss]parse")
def test_a_context_that_is_no_context_is_refused(old, official_import, tmp_path, value, words):
    torch.save({"state_dict": {"ctx": value, **buffers(old, NAMES)}}, tmp_path / "m")
    with pytest.raises(ClipcompatError) as caught:
        official_import(tmp_path / "m")
    refused(caught, words)


@pytest.mark.parametrize("shape", [(33, 128), (128,), (0, 128), (2, 3, 4)])
def test_an_adapter_of_an_odd_shape_is_refused(old, official_import, tmp_path, shape):
    torch.save({"state_dict": {"fc.0.weight": torch.zeros(shape), "fc.2.weight": torch.zeros(128, 32)}}, tmp_path / "m")
    with pytest.raises(CheckpointError) as caught:
        official_import(tmp_path / "m", "clip_adapter")
    refused(caught, "first layer", "channels / reduction")


def test_layers_that_do_not_belong_together_are_refused(old, official_import, tmp_path):
    torch.save({"state_dict": adapter(old, 4) | {"fc.2.weight": torch.zeros(128, 16)}}, tmp_path / "m")
    with pytest.raises(IncompatibleError) as caught:
        official_import(tmp_path / "m", "clip_adapter")
    refused(caught, "fc.2.weight", "[128, 32]", "[128, 16]")


@pytest.mark.parametrize("content", [[1], "text", 7, None, {}, {"state_dict": {}}, {"state_dict": [1]}, {1: 2}])
def test_a_file_without_a_state_dict_is_refused(official_import, tmp_path, content):
    torch.save(content, tmp_path / "m")
    with pytest.raises(CheckpointError) as caught:
        official_import(tmp_path / "m")
    refused(caught, "m holds no `state_dict`")


def test_an_entry_with_and_without_prefix_is_refused(old, official_import, tmp_path):
    ctx = context(old)["ctx"]
    torch.save({"state_dict": {"ctx": ctx, "module.ctx": ctx}}, tmp_path / "m")
    with pytest.raises(CheckpointError, match="twice"):
        official_import(tmp_path / "m")
