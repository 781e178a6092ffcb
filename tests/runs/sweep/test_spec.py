"""A study as data: every combination once, and one sentence for what cannot be meant."""

from __future__ import annotations

import pytest

from clipcompat.common.config import from_config
from clipcompat.common.errors import ClipcompatError, ConfigError, UnknownNameError
from clipcompat.data.mini.sets import ELEVEN, study_names
from clipcompat.methods import METHODS, TODAY
from clipcompat.runs.run import Run
from clipcompat.runs.sweep.spec import load_spec, spec_names

TEXT = """
title: two methods
scales:
  mini: {upgrades: [mini], datasets: [mini/tints, mini/shapes]}
runs:
  - {methods: [coop, zero_shot], seeds: [1, 2]}
  - {methods: [coop], settings: [[], [n_ctx=4]], seeds: [1, 2]}
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> str:
        (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
        return str(tmp_path / "s.yaml")

    return write


def test_a_block_makes_every_combination_and_a_repeated_run_is_one(written):
    spec = load_spec(written(TEXT))
    found = [(r["method"], r["dataset"], r["settings"]) for r in spec.requests("mini")]
    first = [("coop", "mini/tints", ()), ("coop", "mini/shapes", ())]  # two workers begin with two datasets
    assert found[:2] == first and len(found) == len(set(found)) == 6
    assert ("coop", "mini/shapes", ("n_ctx=4",)) in found
    assert all(r["seeds"] == (1, 2) and r["upgrade"] == "mini" for r in spec.requests("mini"))


@pytest.mark.parametrize("name", spec_names())
def test_every_shipped_study_can_be_run_at_each_of_its_scales(name):
    spec = load_spec(name)
    for scale in spec.scales:
        for request in spec.requests(scale):
            from_config(Run, {**request, "device": "cpu"})


def test_table_2_is_the_papers_eleven_by_its_methods_and_then_by_those_of_today():
    spec = load_spec("table2")
    mini, paper = spec.requests("mini"), spec.requests("paper")
    assert {r["dataset"] for r in mini} == set(study_names()) and {r["dataset"] for r in paper} == set(ELEVEN)
    assert {r["upgrade"] for r in paper} == {"clip-to-eva-vit-b-16"}
    for requests in (mini, paper):
        assert len(requests) == 11 * (10 + len(TODAY))
        assert {r["method"] for r in requests[:110]} == METHODS.keys()
        assert [r["method"] for r in requests[110::11]] == list(TODAY)
    assert all(len(r["seeds"]) >= 5 for r in mini)


def test_table_3_tests_shifted_sets_and_leaves_the_slowest_method_to_the_end():
    spec = load_spec("table3")
    mini, paper = spec.requests("mini"), spec.requests("paper")
    assert {r["study"] for r in mini + paper} == {"ood"} and {r["templates"] for r in paper} == {"coop"}
    assert [r["dataset"] for r in mini] == ["mini/objects"] * 10 and {r["dataset"] for r in paper} == {"imagenet"}
    assert {r["method"] for r in mini} == set(METHODS) and mini[-1]["method"] == "cocoop"
    assert all(len(r["seeds"]) >= 5 for r in mini)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", ConfigError, "must hold `scales:`"),
        ("[1, 2]", ConfigError, "must hold `scales:`"),
        ("runs: [", ConfigError, "not sound YAML"),
        ("[" * 9000, ConfigError, "not sound YAML"),
        ("a: !!python/object/apply:os.getcwd []", ConfigError, "not sound YAML"),
        ("scales: {mini: {}}\nruns: []", ConfigError, "`runs:` .a list"),
        ("scales: {mini: {}}\nruns: [coop]", ConfigError, "`runs:` .a list"),
        (TEXT.replace("title", "titel"), UnknownNameError, "Did you mean 'title'"),
        (TEXT.replace("seeds", "sedes"), UnknownNameError, "Did you mean 'seeds'"),
        (TEXT.replace("[coop, zero_shot]", "coop"), ConfigError, "methods must be a list"),
        (TEXT.replace("[coop, zero_shot]", "[]"), ConfigError, "methods must be a list"),
        (TEXT.replace("methods: [coop, zero_shot], ", ""), ConfigError, "methods must be a list"),
        (TEXT.replace("[[], [n_ctx=4]]", "n_ctx=4"), ConfigError, "settings must be a list of lists"),
        (TEXT.replace("[[], [n_ctx=4]]", "[n_ctx=4]"), ConfigError, "settings must be a list"),
    ],
)
def test_a_malformed_study_is_one_sentence(written, text, error, says):
    with pytest.raises(error, match=says):
        load_spec(written(text)).requests("mini")


def test_names_that_do_not_exist_are_told(written):
    with pytest.raises(UnknownNameError, match="Did you mean 'table2'"):
        load_spec("tabel2")
    with pytest.raises(UnknownNameError, match="unknown scale 'paper'"):
        load_spec(written(TEXT)).requests("paper")


@pytest.mark.parametrize("change", ["seeds: [one]", "seeds: 3", "shots: many", "upgrade: mini", "views: 1.5"])
def test_a_value_of_the_wrong_type_is_refused_before_anything_runs(written, change):
    with pytest.raises(ClipcompatError):
        for request in load_spec(written(TEXT.replace("seeds: [1, 2]", change))).requests("mini"):
            from_config(Run, request)


@pytest.mark.parametrize(("scale", "upgrade"), [("mini", "mini"), ("paper", "clip-to-eva-vit-b-16")])
def test_the_study_of_depth_has_every_layer_of_its_towers_from_both_starts(scale, upgrade):
    requests = load_spec("depth").requests(scale)
    methods = [from_config(Run, {**request, "device": "cpu"}).configured_method() for request in requests]
    layers = {"mini": 6, "paper": 12}[scale]
    assert {m.layer for m in methods if not m.ctx_init} == set(range(layers))
    assert {m.layer for m in methods if m.ctx_init} <= set(range(layers)) and any(m.ctx_init for m in methods)
    assert {r["upgrade"] for r in requests} == {upgrade} and len({r["dataset"] for r in requests}) >= 3
    assert all(len(r["seeds"]) == 3 for r in requests)
    assert {"mini": "mini/textures", "paper": "dtd"}[scale] in {r["dataset"] for r in requests}, "the paper's own"
