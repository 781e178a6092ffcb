"""Drift of two text towers, against sums over single numbers and a transformer that works row by row."""

from __future__ import annotations

import json

import pytest
import torch

from clipcompat.backbones.text.parts import part_of
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.studies.drift.drift import drift, measure
from clipcompat.studies.drift.report import Drift
from clipcompat.studies.experiment import Experiment
from tests.reference.drift import feature_change, linear_cka, parameter_change
from tests.reference.text_transformer import residual_stream
from tests.slow import ids_of, slow_feature, state_of
from tests.tiny import tiny_backbone
from tests.toys import toy_dataset

NAMES = ["red fox", "owl", "snow leopard cub", "grey wolf", "fox"]
PROMPTS = [f"a photo of a {name}." for name in NAMES]


@pytest.fixture(scope="module")
def pair(mini_old, mini_new):
    return Upgrade(mini_old, mini_new)


@pytest.fixture(scope="module")
def found(pair) -> Drift:
    return drift(pair, NAMES)


@pytest.fixture(scope="module")
def streams(pair):
    """Of old and of new: the rows of every prompt in every layer, [layer][prompt][token]."""

    def stream(backbone):
        state, tower = state_of(backbone), backbone.text
        every = [state["token_embedding.weight"][ids_of(backbone, prompt)] for prompt in PROMPTS]
        every = [residual_stream(state, rows, tower.heads, tower.activation) for rows in every]
        return [[prompt[layer] for prompt in every] for layer in range(tower.layers + 1)]

    return stream(pair.old), stream(pair.new)


PLACES = {"eot": lambda rows: rows[-1:], "tokens": lambda rows: rows[1:], "sos": lambda rows: rows[:1]}


@pytest.mark.parametrize("place", PLACES)
def test_features_of_every_layer_equal_the_reference(found, streams, place):
    changes = list(found.features_at(place).values())[: len(streams[0])]
    assert [change.layer for change in changes] == ["embeddings", *(f"block {n}" for n in range(1, 7))]
    for change, before, after in zip(changes, *streams, strict=True):
        old, new = ([row for prompt in layer for row in PLACES[place](prompt)] for layer in (before, after))
        assert change.rows == len(old)
        assert (change.absolute, change.relative) == pytest.approx(feature_change(old, new), rel=1e-4)
        if place == "sos":
            assert change.cka is None and change.cka_debiased is None
        else:
            assert change.cka == pytest.approx(linear_cka(torch.stack(old), torch.stack(new)), abs=1e-4)


def test_the_output_is_the_text_feature_before_it_is_normalised(found, pair):
    old, new = (
        [slow_feature(b, state_of(b)["token_embedding.weight"][ids_of(b, prompt)]) for prompt in PROMPTS]
        for b in (pair.old, pair.new)
    )
    output = found.features_at("eot")["output"]
    assert (output.absolute, output.relative) == pytest.approx(feature_change(old, new), rel=1e-4)
    assert "output" not in found.features_at("tokens")


def test_parameters_of_every_part_and_kind_equal_the_reference(found, pair):
    old, new = pair.old.text_state, pair.new.text_state
    group = {"tokens": "embeddings", "positions": "embeddings"}
    seen = 0
    for change in found.parameters:
        names = [
            name
            for name, (part, kind) in ((name, part_of(name)) for name in old)
            if group.get(part, part) == change.part and change.kind in ("all", kind)
        ]
        expected = parameter_change([old[name] for name in names], [new[name] for name in names])
        assert (change.absolute, change.relative, change.relative_l2) == pytest.approx(expected, rel=1e-6)
        assert change.scalars == sum(old[name].numel() for name in names)
        seen += change.scalars if change.kind == "all" else 0
    assert seen == sum(x.numel() for x in old.values())
    assert list(found.parameters_of()) == ["embeddings", *(f"block {n}" for n in range(1, 7)), "head"]
    assert list(found.parameters_of("norms")) == [*(f"block {n}" for n in range(1, 7)), "head"]


def test_golden_numbers():
    old, new = tiny_backbone(), tiny_backbone()
    new.text_state["transformer.resblocks.1.ln_1.weight"].add_(0.5)
    new.text_state["text_projection"].mul_(3)
    found = drift(Upgrade(old, new), ["red fox", "owl"])
    parameters = found.parameters_of()
    assert found.parameters_of("projection")["head"].relative == pytest.approx(2)
    # ln_1's 16 gains, of 64 scalars in the block's two norms
    assert found.parameters_of("norms")["block 2"].absolute == pytest.approx(0.5 * 16 / 64)
    assert parameters["block 1"].absolute == parameters["embeddings"].relative == 0
    features = found.features_at()
    assert features["block 1"].absolute == 0 and features["block 2"].absolute > 0


def test_a_tower_has_not_moved_from_itself(mini_old):
    found = drift(Upgrade(mini_old, mini_old), NAMES)
    assert all(change.absolute == change.relative == 0 for change in found.parameters + found.features)
    assert all(change.cka in (None, pytest.approx(1)) for change in found.features)


def test_the_activation_moves_features_and_no_parameter(pair):
    plain = pair.old.with_text_parts(pair.new, ["activation"])
    assert (pair.old.text.activation, plain.text.activation) == ("quick_gelu", "gelu")
    found = drift(Upgrade(pair.old, plain), NAMES)
    assert not any(change.absolute for change in found.parameters)
    assert found.features_at()["embeddings"].absolute == 0 < found.features_at()["block 1"].absolute


def test_a_chain_compares_each_later_generation_with_the_first(pair):
    first, second = drift((pair.old, pair.old, pair.new), NAMES)
    assert second == drift(pair, NAMES) and not any(change.absolute for change in first.features)


def test_towers_of_two_widths_have_cka_alone():
    names = ["red fox", "owl", "snow leopard", "grey wolf"]
    found = drift(Upgrade(tiny_backbone(), tiny_backbone(width=24)), names)
    assert found.parameters == ()
    assert all(change.absolute is None for change in found.features if change.layer != "output")
    assert 0 < found.features_at()["block 1"].cka <= 1


def test_towers_of_two_depths_or_tokenizers_are_refused():
    with pytest.raises(ConfigError, match="tiny has 3 text blocks and tiny has 2"):
        drift(Upgrade(tiny_backbone(), tiny_backbone(layers=2)), ["owl"])
    other = tiny_backbone()
    other.tokenizer = type("Other", (type(other.tokenizer),), {"encode": lambda self, text: [1, 2]})()
    with pytest.raises(ConfigError, match="different tokens"):
        drift(Upgrade(tiny_backbone(), other), ["owl"])


def test_a_report_survives_json_and_becomes_a_table(found):
    assert Drift.from_dict(json.loads(json.dumps({**found.to_dict(), "seed": 1}))) == found
    frame = found.to_dataframe()
    assert len(frame) == len(found.parameters) + len(found.features) and {"what", "part", "layer"} <= set(frame)


def test_the_study_gives_the_report_of_the_datasets_class_names(pair, tmp_path):
    data = toy_dataset()
    (row,) = measure(Experiment(pair, {1: data}, TunedPlugins(tmp_path, ZeroShot())))
    report = drift(pair, list(data.classnames))
    assert Drift.from_dict(row) == drift(pair, data) == report
    assert row["features_moved"] == report.features_at()["block 6"].relative
    blocks = [change.relative for part, change in report.parameters_of().items() if "block" in part]
    assert row["parameters_moved"] == pytest.approx(sum(blocks) / 6) and row["seed"] == 1


def test_class_names_come_from_lists_datasets_and_names_of_sets(pair):
    assert drift(pair).prompts == drift(pair, "mini").prompts > 200
    assert drift(pair, [toy_dataset(), toy_dataset()]).prompts == 3
    assert drift(pair, ["owl", "owl", "red_fox"], template="a {}.").prompts == 2
    with pytest.raises(UnknownNameError, match="eurosat"):
        drift(pair, "eurosat")
    with pytest.raises(ConfigError, match="no class names"):
        drift(pair, [])
    with pytest.raises(ConfigError, match="needs {}"):
        drift(pair, ["owl"], template="a photo")


def test_the_real_pair_needs_no_picture(full_size):
    found = drift(full_size, ["red fox", "owl", "snow leopard cub"])
    assert sum(change.scalars for change in found.parameters_of().values()) == 63_428_096
    assert [change.layer for change in found.features][-1] == "output"
    assert list(found.parameters_of())[1:-1] == [f"block {n}" for n in range(1, 13)]
