"""A sentence about records says what they say, and turns when they do."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat_book.chapters.compatibility.sentences import rerun_sentence, upgrade_sentence, versus_sentence
from tests.runs.test_tables import run


@pytest.mark.parametrize(
    ("method", "settings", "title"),
    [
        ("zero_shot", {}, "zero-shot"),
        ("contcoop", {}, "ContCoOp"),
        ("contcoop", {"attention": None}, "ContCoOp (Attn off)"),
        ("coop", {"n_ctx": 4}, "CoOp (n_ctx=4)"),
    ],
)
def test_a_title_names_the_method_and_what_was_changed(method, settings, title):
    assert run(method, settings=settings).titles.method == title


def test_the_weight_of_distillation_is_called_lambda():
    config = run("contcoop").inputs["method"]["config"]["distillation"] | {"weight": 0.5}
    assert run("contcoop", settings={"distillation": config}).titles.method == "ContCoOp (λ = 0.5)"


@pytest.mark.parametrize(("news", "words"), [((84.0, 86.0), "5.0 points higher"), ((70.0, 74.0), "8.0 points lower")])
def test_the_direction_of_an_upgrade_is_that_of_the_numbers(news, words):
    told = upgrade_sentence([run("coop", news=news)], "CoOp")
    assert f"scores {words} there than on the old one" in told and "2 runs on 1 datasets" in told


def test_an_upgrade_is_told_with_retraining_kept_gain_and_flips():
    told = upgrade_sentence([run("coop", news=(70.0, 80.0))], "CoOp")
    assert "15.0 points lower than when it is trained there" in told
    assert "Kept gain: eurosat 62 %" in told and "5.0 % of the test pictures" in told


def test_kept_gain_is_told_for_every_dataset_unless_nothing_was_retrained():
    small, worse = run("coop", news=(70.0,)), run("coop", news=(45.0,), dataset="dtd")
    small.per_seed[0]["retrained"] = 50.2
    assert "Kept gain: eurosat undefined, dtd -12 %" in upgrade_sentence([small, worse], "CoOp")
    small.per_seed[0]["retrained"] = None
    told = upgrade_sentence([small], "CoOp")
    assert "Kept gain" not in told and "trained there" not in told


def test_kept_gain_on_many_datasets_is_told_by_its_middle_and_its_ends():
    made = [run("coop", news=(50.0 + 8 * k,), dataset=f"set {k}") for k in range(5)]
    assert "Kept gain: median 40 %, from 0 % (set 0) to 80 % (set 4)." in upgrade_sentence(made, "CoOp")
    made[4].per_seed[0]["retrained"] = 50.0
    assert "median 30 %, from 0 % (set 0) to 60 % (set 3); undefined on 1." in upgrade_sentence(made, "CoOp")
    for record in made:
        record.per_seed[0]["retrained"] = 50.0
    assert "Kept gain: undefined on all 5 datasets." in upgrade_sentence(made, "CoOp")


def test_two_methods_are_compared_dataset_by_dataset_with_a_point_of_tolerance():
    made = [
        run("contcoop", news=(80.0,), dataset="a"),
        run("coop", news=(70.0,), dataset="a"),
        run("contcoop", news=(60.5,), dataset="b"),
        run("coop", news=(60.0,), dataset="b"),
        run("contcoop", news=(50.0,), dataset="c"),
        run("coop", news=(53.0,), dataset="c"),
        run("coop", news=(99.0,), dataset="d"),
    ]
    told = versus_sentence(made, "ContCoOp", "CoOp")
    assert "of 3 datasets, higher on 1 (a); lower on 1 (c); within a point on 1 (b)" in told
    assert "Mean difference +2.5 points" in told
    assert "lower on 1 (a); higher" not in told
    turned = versus_sentence(made, "CoOp", "ContCoOp")
    assert "higher on 1 (c); lower on 1 (a)" in turned and "-2.5" in turned


def test_what_cannot_be_compared_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'CoOp'"):
        upgrade_sentence([run("coop")], "CoOop")
    with pytest.raises(UnknownNameError, match="field"):
        versus_sentence([run("coop")], "CoOp", "CoOp", "newer")
    with pytest.raises(ConfigError, match="no dataset has"):
        versus_sentence([run("coop", dataset="a"), run("contcoop", dataset="b")], "CoOp", "ContCoOp")


def test_a_run_made_now_is_held_against_the_committed_one_of_its_seed():
    made = run("coop", news=(70.0, 75.0))
    first, second = made.reports
    assert "says the same: old 80.0, new 75.0" in rerun_sentence(second, [made], "CoOp")
    assert "differs by 5.0 points at most" in rerun_sentence(first, [run("coop", news=(75.0,))], "CoOp")
    assert "no committed record of ContCoOp" in rerun_sentence(first, [made], "ContCoOp")
