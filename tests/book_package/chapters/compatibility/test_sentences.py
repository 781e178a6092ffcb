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


@pytest.mark.parametrize(
    ("news", "words"),
    [
        ((85.0, 85.2), "5.1 ± 1.3 points higher"),
        ((72.0, 72.2), "7.9 ± 1.3 points lower"),
        ((70.0, 86.0), "no difference seen (-2.0 ± 101.6 points)"),
        ((50.0,), "no difference seen (-30.0 points, one seed)"),
    ],
)
def test_the_direction_of_an_upgrade_is_that_of_the_interval(news, words):
    told = upgrade_sentence([run("coop", news=news)], "CoOp")
    assert f"against its accuracy on the old one: {words}" in told and f"{len(news)} runs on 1 dataset." in told


def test_an_upgrade_is_told_against_retraining_where_there_is_one():
    told = upgrade_sentence([run("coop", news=(75.0, 75.2))], "CoOp")
    assert "; against training it there: 14.9 ± 1.3 points lower. (Mean of 2 runs" in told
    alone = run("coop", news=(70.0,))
    alone.per_seed[0]["retrained"] = None
    assert "training it there" not in upgrade_sentence([alone], "CoOp")


def test_two_methods_are_compared_dataset_by_dataset_by_paired_intervals():
    """On b the mean is 5 points higher, by one seed; on c half a point lower, by every seed."""
    made = [
        run("contcoop", news=(80.0, 82.0, 84.0), dataset="a"),
        run("coop", news=(70.0, 72.1, 73.9), dataset="a"),
        run("contcoop", news=(60.0, 60.0, 75.0), dataset="b"),
        run("coop", news=(60.0, 60.0, 60.0), dataset="b"),
        run("contcoop", news=(50.0, 40.0, 30.0), dataset="c"),
        run("coop", news=(50.5, 40.6, 30.4), dataset="c"),
        run("coop", news=(99.0,), dataset="d"),
    ]
    told = versus_sentence(made, "ContCoOp", "CoOp")
    assert "mean of 3 datasets, no difference seen (+4.8 ± " in told
    assert "One by one: higher on a; lower on c; no difference seen on the other 1. (95 %" in told
    assert "paired by seed: 3 per dataset; without" in told
    turned = versus_sentence(made, "CoOp", "ContCoOp")
    assert "higher on c; lower on a; no difference seen on the other 1" in turned
    assert "no difference seen (-4.8" in turned


def test_a_mean_over_datasets_is_judged_by_how_datasets_differ_and_not_by_seeds_alone():
    """Every seed repeats +9, −1, +1 and −1. Over seeds, 2 ± 0 would be called higher."""
    gaps = {"a": 9.0, "b": -1.0, "c": 1.0, "d": -1.0}
    made = [run("coop", news=(60.0, 60.0), dataset=d) for d in gaps]
    made += [run("contcoop", news=(60.0 + gap, 60.0 + gap), dataset=d) for d, gap in gaps.items()]
    assert "mean of 4 datasets, no difference seen (+2.0 ± 7" in versus_sentence(made, "ContCoOp", "CoOp")


def test_a_mean_that_hangs_on_one_dataset_is_told_with_it():
    made = [run("coop", news=(60.0, 60.0), dataset=d) for d in "abcde"]
    made += [run("contcoop", news=(63.0, 63.0), dataset=d) for d in "abcd"]
    made += [run("contcoop", news=(55.0, 55.0), dataset="e")]
    told = versus_sentence(made, "ContCoOp", "CoOp")
    assert "mean of 5 datasets, no difference seen (+1.4 ± 4.4 points; higher without e)." in told


def test_more_seeds_of_a_dataset_count_there_and_give_it_no_more_weight_in_the_mean():
    made = [
        run(m, news=news, dataset=d) for d in "ab" for m, news in (("contcoop", (61.0, 61.2)), ("coop", (60.0, 60.1)))
    ]
    more = [run("contcoop", news=(40.0, 84.0), dataset="b"), run("coop", news=(60.0, 60.0), dataset="b")]
    for record in more:
        for row in record.per_seed:
            row["seed"] += 2
    told = versus_sentence([*made, *more], "ContCoOp", "CoOp")
    assert "mean of 2 datasets, no difference seen (+1.3 ±" in told
    assert "One by one: higher on a; no difference seen on the other 1." in told
    assert "paired by seed: 2 per dataset (4 on b);" in told and "without correction for 2 datasets" in told


def test_what_was_not_retrained_is_not_compared_there():
    made = [run("contcoop", news=(60.0, 61.0)), run("coop", news=(60.0, 61.0))]
    made[0].per_seed[1]["retrained"] = None
    told = versus_sentence(made, "ContCoOp", "CoOp", "retrained")
    assert "retrained on the new backbone:** mean of 1 dataset, no difference seen (" in told
    assert "One by one: no difference seen on it." in told


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
