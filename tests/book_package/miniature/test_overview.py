"""What the miniature tells of itself is computed from what it is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.mini.captions import captions
from clipcompat.data.mini.datasets import load_mini, mini_names, study_names
from clipcompat.data.mini.sets import SETS
from clipcompat.data.mini.world import sample_scenes
from clipcompat_book.miniature import overview as miniature


def test_every_set_is_told_with_what_makes_it_hard():
    told = miniature.set_lines(mini_names()).splitlines()
    assert len(told) == len(SETS)
    for line, (name, kind) in zip(told, SETS.items(), strict=True):
        assert f"**{name}**" in line and kind.hard in line and f"{len(kind.classes)} classes" in line
        assert kind.template in line and (f"in the place of {kind.mirrors};" in line) is bool(kind.mirrors)


@pytest.mark.parametrize("name", mini_names())
def test_pictures_are_of_the_classes_that_are_said_and_of_six_different_ones(name):
    shown = miniature.sample_pictures(name, 6)
    test = load_mini(name).test
    assert len({title for _, title in shown}) == len(shown) == 6
    for picture, title in shown:
        same_class = (i for i in range(300) if test.classnames[test.labels[i]] == title)
        assert any(picture.tobytes() == test.images[i].tobytes() for i in same_class)


def test_one_of_each_names_the_set_and_the_class():
    pictures, titles = miniature.one_of_each()
    assert len(pictures) == len(titles) == len(study_names()) == 11
    for name, title in zip(study_names(), titles, strict=True):
        short, classname = title.split("\n")
        assert name == f"mini/{short}" and classname in SETS[name].classes


def test_the_vocabulary_has_a_word_of_every_rarity_for_each_thing():
    groups = miniature.vocabulary()
    assert list(groups) == ["common", "rare", "rarer", "rarest", "unseen"]
    assert len(groups["common"]) == len(groups["unseen"]) == 36 and "disc" in groups["rare"]
    assert not {*groups["unseen"]} & {word for name, group in groups.items() if name != "unseen" for word in group}


def test_words_are_counted_whole_and_in_one_piece():
    said = miniature.words_said(600, seed=3)
    index = np.arange(600)
    told = captions(sample_scenes(3, index), 3, index)
    for word, n in {**said["common"], **said["rare"]}.items():
        longer = [w for group in said.values() for w in group if w != word and re.search(rf"\b{word}\b", w)]
        plain = [re.sub("|".join(longer), "", text) if longer else text for text in told]
        assert n == sum(len(re.findall(rf"\b{word}\b", text)) for text in plain), word
    assert sum(said["common"].values()) > 500 and not any(said["unseen"].values())


def test_a_log_is_read_by_name_and_a_missing_one_is_refused():
    lines = miniature.mini_log("trials")
    assert lines and {"method", "lr", "val", "dataset"} <= {*lines[0]}
    for name in miniature.mini_logs():
        assert "step" in miniature.mini_log(name)[0]
    with pytest.raises(DataError, match="recipe.jsonl"):
        miniature.mini_log("recipe")


KNOWN = {
    "aaaaaaaaaa": {"name": "mini-old", "number": 2, "seed": 2, "source": None, "steps": 7500, "steps_taken": 7500},
    "bbbbbbbbbb": {
        "name": "mini-new",
        "number": 2,
        "seed": 12,
        "source": "aaaaaaaaaa",
        "steps": 8000,
        "steps_taken": 4000,
    },
}


def test_acceptance_is_a_row_a_set_and_backbone(monkeypatch):
    monkeypatch.setattr(miniature, "weights", lambda: KNOWN)
    lines = [
        {"old": old, "dataset": "mini/tints", "zero_shot": 41.24, "linear_probe": [50, 60], "coop": [47.0]}
        for old in ("aaaaaaaaaa", "cccccccccc")
    ]
    table = miniature.acceptance_table(lines)
    assert table.rows[0] == ("mini/tints", "old 2", "41.2", "55.0 ± 7.1", "47.0") and len(table.rows) == 2
    assert table.rows[1][1] == "cccccccc"


def test_demands_are_told_for_every_old_backbone(monkeypatch):
    monkeypatch.setattr(miniature, "weights", lambda: KNOWN)
    good = {"old": "aaaaaaaaaa", "zero_shot": 40.0, "linear_probe": [50.0, 52.0], "coop": [47.0, 48.0]}
    lines = [good | {"dataset": f"mini/{k}"} for k in range(8)]
    lines += [x | {"old": "cccccccccc", "zero_shot": 95.0} for x in lines]
    table = miniature.verdict_table(lines)
    assert table.columns == ("demand", "old 2", "cccccccc") and len(table.rows) == 4
    assert all(row[1] == "met" for row in table.rows)
    assert [row[2] for row in table.rows] == ["not met", "not met", "not met", "met"]


def test_weights_are_told_with_what_they_started_from(monkeypatch):
    monkeypatch.setattr(miniature, "weights", lambda: dict(reversed(KNOWN.items())))
    assert miniature.weights_table().rows == (
        ("mini-old 2", "2", "nothing", "7,500", "aaaaaaaa"),
        ("mini-new 2", "12", "mini-old 2", "4,000 of 8,000", "bbbbbbbb"),
    )


def test_trials_are_read_by_method_and_rate_and_sets_by_old_backbone():
    trials = [("coop", 0.1, 70.0), ("coop", 0.2, 0.0), ("coop", 0.1, 80.0), ("clap", 0.1, 60.0)]
    lines = [dict(zip(("method", "lr", "val"), trial, strict=True)) for trial in trials]
    assert miniature.accuracies_by_rate(lines) == {"coop": {0.1: [70.0, 80.0], 0.2: [0.0]}, "clap": {0.1: [60.0]}}
    by_old = miniature.by_old(miniature.mini_log("acceptance"))
    assert list(by_old) == ["old 1", "old 2", "old 3"]
    assert all([line["dataset"] for line in own] == list(study_names()) for own in by_old.values())
