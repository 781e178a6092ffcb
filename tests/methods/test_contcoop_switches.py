"""Every switch of ContCoOp's condition and attention does what it says, and nothing else."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import IncompatibleError
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.parts.attention import Attention, attend
from clipcompat.methods.parts.condition import Condition
from tests.methods.learners import agree, plugin_of, start, tensors_of
from tests.slow import ids_of, slow_condition, slow_contcoop, slow_zero_shot, state_of
from tests.tiny import tiny_backbone
from tests.toys import NAMES


@pytest.mark.parametrize(
    ("switches", "slow"),
    [
        ({"pool": "mean"}, {"pool": "mean"}),
        ({"pool": "first"}, {"pool": "first"}),
        ({"pool": "last"}, {"pool": "last"}),
        ({"include": ("period", "eot")}, {"include": ("period", "eot")}),
        ({"include": ("sos",)}, {"include": ("sos",)}),
        ({"pool": "mean", "include": ("sos", "eot")}, {"pool": "mean", "include": ("sos", "eot")}),
    ],
    ids=str,
)
def test_condition_switches_change_what_the_context_attends_to(tiny, switches, slow):
    agree(
        tiny,
        ContCoOp(n_ctx=3, condition=Condition(**switches)),
        lambda t: slow_contcoop(tiny, NAMES, t, [slow_condition(tiny, n, 3, **slow) for n in NAMES]),
    )


def test_condition_from_a_template_a_text_feature_and_the_full_suffix(tiny):
    table = state_of(tiny)["token_embedding.weight"]
    feature = slow_zero_shot(tiny, NAMES, "{}").detach()
    feature = [f[None] / f.norm() for f in feature]
    padded = [ids_of(tiny, "x x x " + n + ".") for n in NAMES]
    padded = [(ids + [0] * (tiny.context_length - len(ids)))[4:] for ids in padded]
    for condition, rows in [
        (Condition(template="a photo of a {}"), [table[tiny.tokenizer.encode(f"a photo of a {n}")] for n in NAMES]),
        (Condition(pool="text_feature"), feature),
        (Condition(source="suffix_full"), [table[ids] for ids in padded]),
    ]:
        agree(tiny, ContCoOp(n_ctx=3, condition=condition), lambda t, r=rows: slow_contcoop(tiny, NAMES, t, r))


def test_without_a_condition_the_context_attends_to_itself_alone(tiny):
    """The control with ContCoOp's number of parameters: every class gets the same context, and no name matters."""
    method = ContCoOp(n_ctx=3, condition=Condition(pool="none"))
    nothing = torch.zeros(0, tiny.width)
    agree(tiny, method, lambda t: slow_contcoop(tiny, NAMES, t, [nothing for _ in NAMES]))
    assert method.shapes(3) == ContCoOp(n_ctx=3).shapes(3)
    tensors = tensors_of(start(method, tiny))
    change = attend(method.attention, tensors, tensors["ctx"], *method.condition.rows(tiny, NAMES, 3))
    assert torch.equal(change, change[:1].expand_as(change)) and change.abs().max() > 1e-4


def test_every_reading_of_the_condition_is_a_different_method(tiny):
    tensors = tensors_of(start(ContCoOp(n_ctx=3), tiny))
    readings = [
        *[Condition(pool=p) for p in ("tokens", "mean", "first", "last", "text_feature", "none")],
        *[Condition(include=(e,)) for e in ("sos", "period", "eot")],
        Condition(source="suffix_full"),
        Condition(template="a photo of a {}"),
    ]
    weights = [ContCoOp(n_ctx=3, condition=c).class_weights(tensors, tiny, NAMES) for c in readings]
    for i, one in enumerate(weights):
        assert all((one - other).abs().max() > 1e-6 for other in weights[:i])


def test_a_text_feature_of_another_width_makes_a_plug_in_incompatible(tiny):
    narrow = tiny_backbone(width=24, layers=1)
    method = ContCoOp(n_ctx=2, condition=Condition(pool="text_feature"))
    maps = {f"attn.{m}.weight": torch.zeros(24, 24) for m in "qkvo"}
    plugin = plugin_of(method, {"ctx": torch.zeros(2, 24), **maps}, narrow)
    with pytest.raises(IncompatibleError, match="not as wide"):
        plugin.class_weights(narrow, NAMES)


@pytest.mark.parametrize(
    ("switches", "slow"),
    [
        ({"heads": 4}, {"heads": 4}),
        ({"heads": 4, "scale": "model"}, {"heads": 4, "scale": "model"}),
        ({"bias": True}, {}),
        ({"causal": True}, {"causal": True}),
        ({"pos": True}, {"pos": True}),
        ({"residual": False}, {"residual": False}),
        ({"init": "kaiming_normal_relu"}, {}),
        ({"init": "xavier", "out_zero": True}, {}),
    ],
    ids=str,
)
def test_attention_switches_compute_what_they_say(tiny, switches, slow):
    agree(tiny, ContCoOp(n_ctx=3, attention=Attention(**switches)), lambda t: slow_contcoop(tiny, NAMES, t, **slow))


def test_rate_and_decay_of_the_maps_are_their_own(tiny):
    assert all(not o.get("weight_decay") for o in start(ContCoOp(n_ctx=2), tiny).options.values())
    learner = start(ContCoOp(n_ctx=2, attention=Attention(bias=True, lr_scale=0.5, weight_decay=0.0)), tiny)
    assert learner.options == {
        f"attn.{m}.{kind}": {"lr_scale": 0.5, "weight_decay": 0.0} for m in "qkvo" for kind in ("weight", "bias")
    }
