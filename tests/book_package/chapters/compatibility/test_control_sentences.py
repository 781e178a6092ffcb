"""What the controls say is read from accuracies and flips, and turns with them; zero-shot on new moves no verdict."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat.runs.records import Record
from clipcompat_book.chapters.compatibility.control_sentences import control_sentences
from clipcompat_book.chapters.compatibility.controls import (
    ACTIVATION,
    AGAIN,
    IDENTITY,
    IMAGE_ONLY,
    TEXT_ONLY,
    TWIN,
    UPGRADE,
)
from clipcompat_book.committed import committed_records
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_run

NOISE = (-0.5, 0.0, 0.5)


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    know_toys(monkeypatch)


def place(
    name: str, new=70.0, old=80.0, again=75.0, zero_shot=50.0, flips=12.0, noise=NOISE, dataset="eurosat"
) -> Record:
    """Three seeds around these accuracies; the noise is that of the few-shot set, the same on old and retrained."""
    made = toy_run(name, 0.0, seeds=len(noise), dataset=dataset)
    for row, shift in zip(made.per_seed, noise, strict=True):
        row |= {"old": old + shift, "new": new + 2 * shift, "zs_new": zero_shot, "negative_flips": flips}
        row["retrained"] = again and again + shift
    return made


def unchanged(name: str, **more) -> Record:
    made = place(name, flips=0.0, **more)
    for row in made.per_seed:
        row |= {"new": row["old"], "retrained": row["retrained"] and row["old"]}
    return made


def line(words: str, *records: Record) -> str:
    told = control_sentences([place(UPGRADE), unchanged(IDENTITY), *records], "CoOp")
    (found,) = (x for x in told.splitlines() if words in x)
    return found


def test_the_upgrade_is_told_against_zero_shot_and_against_retraining_with_its_repetitions():
    found = line("The upgrade", place("pair 2", new=53.0))
    assert "CoOp, carried over, is above zero-shot on new, and below retraining there." in found
    assert "it is above zero-shot on pair 2; over all 2 pairs, not told apart from zero-shot." in found, "far apart"
    wide = place(UPGRADE, new=51.0, noise=(-5, 0, 5), again=None)
    assert control_sentences([wide], "CoOp").endswith("CoOp, carried over, is not told apart from zero-shot on new.")


def test_a_direction_that_turns_with_one_dataset_says_so():
    records = [place(UPGRADE, new=new, dataset=name) for name, new in (("a", 95.0), ("b", 52.0), ("c", 52.5))]
    (found,) = control_sentences(records, "CoOp").splitlines()
    assert "not told apart from retraining there (lower without a)" in found


def test_identity_is_told_by_what_changed_and_what_flipped():
    assert "accuracy is the same in every run, and no picture flips" in line("Nothing changed")
    flipped = unchanged(IDENTITY)
    flipped.per_seed[0]["negative_flips"] = 0.1
    told = control_sentences([place(UPGRADE), flipped], "CoOp")
    assert "new differs from old: accuracy against old: no difference seen (+0.0 ± 0.0 points), with 0.0 %" in told


def test_the_activation_is_told_by_what_changed_and_against_retraining_with_the_same_activation():
    found = line("activation alone", place(ACTIVATION, new=78.0, again=77.0, flips=3.0, zero_shot=35.0))
    assert "accuracy against old: 2.0 ± 1.2 points lower, with 3.0 % of the pictures flipped from right" in found
    assert found.endswith("The carried plug-in is not told apart from retraining there.")
    alone = place(ACTIVATION, again=None)
    alone.backbones["new"] = {"stamp": "old with GELU"}  # where nothing else was retrained
    assert "retraining" not in line("activation alone", alone)


@pytest.mark.parametrize("zero_shot", [50.0, 40.0, 60.0])
def test_unchanged_pictures_lose_nothing_wherever_zero_shot_moves(zero_shot):
    """The linear probe on text-only: it reads no text, so every answer stays, and zero-shot rose by 1.5 points."""
    found = line("text tower alone", unchanged(TEXT_ONLY, zero_shot=zero_shot, again=None))
    assert (
        "accuracy is the same in all 3 runs, and no picture flips. Nothing is lost where every picture keeps" in found
    )
    ends = {50.0: "Zero-shot rose, so less is added to it.", 40.0: "keeps its vector.", 60.0: "less is added to it."}
    assert found.endswith(ends[zero_shot])
    assert line("text tower alone", unchanged(TEXT_ONLY, zero_shot=30.0)).endswith("Zero-shot fell, so more is added.")


def test_the_committed_linear_probe_loses_nothing_where_the_pictures_stay(monkeypatch):
    monkeypatch.undo()  # the true manifest
    told = control_sentences(committed_records("compatibility"), "linear probe").splitlines()
    (text,) = (x for x in told if "text tower alone" in x)
    (twin,) = (x for x in told if "seed twin" in x)
    assert "the same in all 55 runs, and no picture flips. Nothing is lost" in text
    assert "no sign that the plug-in needs what the upgrade kept" in twin


@pytest.mark.parametrize(("tower", "kept"), [(IMAGE_ONLY, "every prompt keeps"), (TEXT_ONLY, "every picture keeps")])
@pytest.mark.parametrize(
    ("again", "words"),
    [
        (75.0, "is below retraining there. Part of it is lost though"),
        (70.0, "is not told apart from retraining there. No loss is seen where"),
        (60.0, "is above retraining there. Nothing of it is lost where"),
    ],
)
def test_one_tower_alone_is_held_against_retraining_on_it(tower, kept, again, words):
    assert f"{words} {kept}" in line(" alone moved", place(tower, again=again))


def test_lost_headroom_is_told_apart_from_a_lost_plug_in():
    """Retraining adds 30 points to zero-shot where nothing changed, and 5 here: the plug-in keeps all that there is."""
    found = line(" alone moved", place(TEXT_ONLY, new=55.0, again=55.0))
    assert "No loss is seen" in found and found.endswith("Retraining adds less than where nothing changed.")
    more = line(" alone moved", place(TEXT_ONLY, new=95.0, again=95.0))
    assert more.endswith("Retraining adds more than where nothing changed.")


def test_without_retraining_the_two_are_not_told_apart():
    found = line(" alone moved", place(TEXT_ONLY, again=None))
    assert "10.0 ± 1.2 points lower, with 12.0 % of the pictures flipped from right to wrong and 2.0 % from" in found
    assert found.endswith("It was not retrained there, so lost headroom and a lost plug-in are not told apart.")


def test_a_control_that_was_made_again_and_retrained_is_told_instead_of_the_first():
    found = line("text tower alone moved", place(TEXT_ONLY, again=None), place(TEXT_ONLY + AGAIN))
    assert "Part of it is lost though every picture keeps its vector" in found


def test_the_way_is_told_by_its_ends():
    steps = [place("after step 4000", new=60.0, again=None), place("after step 5000", new=66.0, again=None)]
    found = line("On the way", *steps)
    assert "at the end, the carried plug-in is above its accuracy after step 4000." in found
    assert "are not told apart" in found
    found = line("On the way", place("after step 4000", new=68.0, again=69.0))
    assert found.endswith("distance below retraining is larger than after step 4000.")


@pytest.mark.parametrize(
    ("new", "again", "words"),
    [
        (50.0, 75.0, "That much needs what the upgrade kept of old"),
        (50.0, 55.0, "no sign that the plug-in needs what the upgrade kept"),
        (70.0, 75.0, "no sign that the plug-in needs what the upgrade kept"),
        (70.0, 70.0, "what the upgrade kept is no help here"),
    ],
)
@pytest.mark.parametrize("zero_shot", [20.0, 50.0, 69.0])
def test_the_twin_is_judged_by_what_it_loses_and_not_by_zero_shot(new, again, words, zero_shot):
    assert words in line("seed twin", place(TWIN, new=new, again=again, zero_shot=zero_shot))


@pytest.mark.parametrize(("new", "words"), [(50.0, "are not told apart"), (70.0, "no sign that the plug-in needs")])
def test_a_twin_without_retraining_is_judged_by_accuracy_as_far_as_that_goes(new, words):
    assert words in line("seed twin", place(TWIN, new=new, again=None))


def test_a_twin_is_retrained_as_the_pair_whose_new_backbone_it_is():
    pair, twin = place("pair 2", again=90.0), place(TWIN, again=None)
    assert "Its distance below retraining is larger than on the upgrade." in line("seed twin", pair, twin)
    pair.backbones["new"]["stamp"] = "another"
    assert "distance" not in line("seed twin", pair, twin)


def test_sets_are_counted_in_every_direction():
    sets = {"a": 50.0, "b": 52.0, "c": 74.0}
    records = [place(UPGRADE, dataset=name) for name in sets]
    twins = [place(TWIN, new=new, dataset=name) for name, new in sets.items()]
    told = control_sentences([*records, *twins], "CoOp")
    assert "(Of 3 sets, carried minus retrained is higher on 1; lower on 2.)" in told


def test_what_has_no_records_is_not_told_and_an_unknown_method_is_refused():
    assert len(control_sentences([place(UPGRADE)], "CoOp").splitlines()) == 1
    with pytest.raises(UnknownNameError, match="CoOp"):
        control_sentences([place(UPGRADE)], "Coop")
    with pytest.raises(UnknownNameError, match="the upgrade"):
        control_sentences([place(TWIN)], "CoOp")
